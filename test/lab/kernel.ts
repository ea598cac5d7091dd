/** The distribution's kernel, in the form that QEMU boots fastest, and its modules. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Toolbox } from './toolbox.js';

/** Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header". */
const SETUP_SECTS = 0x1f1;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
const SECTOR = 512;

/** Magic bytes of compressed data, and the programs that unpack them. */
const DECOMPRESSORS: readonly (readonly [magic: string, command: string, ...args: string[]])[] = [
  ['fd377a585a00', 'xz', '--decompress', '--stdout'],
  ['28b52ffd', 'zstd', '--decompress', '--stdout', '--quiet'],
  ['1f8b', 'gzip', '--decompress', '--stdout'],
];

/** The version of the unpacked kernel: the name of its folder of modules. */
export function kernelVersion(root: string): string {
  const [version] = readdirSync(join(root, 'usr', 'lib', 'modules'));
  if (version === undefined) throw new Error(`no kernel modules in ${root}`);
  return version;
}

/**
 * Writes the kernel's ELF image, which QEMU enters directly (PVH). The compressed image unpacks itself, which takes an emulated CPU four
 * seconds. Returns the image to boot.
 */
export function unpackKernel(tools: Toolbox, file: string): string {
  const packed = join(tools.root, 'boot', `vmlinuz-${kernelVersion(tools.root)}`);
  const image = readFileSync(packed);
  const start = (image.readUInt8(SETUP_SECTS) + 1) * SECTOR + image.readUInt32LE(PAYLOAD_OFFSET);
  const payload = image.subarray(start, start + image.readUInt32LE(PAYLOAD_LENGTH));
  const head = payload.subarray(0, 8).toString('hex');
  const [, command, ...args] = DECOMPRESSORS.find(([magic]) => head.startsWith(magic)) ?? [];
  if (command === undefined) return packed;
  // The last four bytes are the length, which the programs report as garbage after the data. Their output is complete.
  let elf: Buffer;
  try {
    elf = tools.run(command, args, payload);
  } catch (error) {
    elf = (error as { stdout?: Buffer }).stdout ?? Buffer.alloc(0);
  }
  const isWhole = elf.length === payload.readUInt32LE(payload.length - 4);
  if (!isWhole || elf.subarray(0, 4).toString('latin1') !== '\x7fELF') return packed;
  writeFileSync(file, elf);
  return file;
}

/** Makes the index of the modules that modprobe needs, here and in the guest. */
export function indexModules(tools: Toolbox): void {
  tools.runAs('kmod', 'depmod', ['--basedir', join(tools.root, 'usr'), kernelVersion(tools.root)]);
}

/** The files of the modules in the order to load them. Ignores the distribution's configuration: ndctl's hides libnvdimm. */
export function moduleFiles(tools: Toolbox, names: readonly string[]): string[] {
  const version = kernelVersion(tools.root);
  const usr = join(tools.root, 'usr');
  const files = names.flatMap((name) => {
    const args = ['--config', '/dev/null', '--set-version', version, '--dirname', usr, '--show-depends', name];
    const lines = tools.runAs('kmod', 'modprobe', args).toString().split('\n');
    return lines.flatMap((line) => /^insmod (.*\.ko\S*)/.exec(line)?.[1] ?? []);
  });
  return [...new Set(files)];
}

/** The module's bytes, unpacked, as busybox needs them. */
export function moduleBytes(tools: Toolbox, file: string): Buffer {
  if (file.endsWith('.ko')) return readFileSync(file);
  const command = file.endsWith('.zst') ? 'zstd' : file.endsWith('.xz') ? 'xz' : 'gzip';
  return tools.run(command, ['--decompress', '--stdout', file]);
}
