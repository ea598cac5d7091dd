/** QEMU, a kernel, an initramfs and the guest's programs: made once, kept in .cache/lab until their recipe changes. */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOT } from '../support/paths.js';
import { buildInitramfs } from './initramfs.js';
import { unpackKernel } from './kernel.js';
import { fetchPackages } from './packages.js';

/** The lab's folder, ignored by git. */
export const CACHE = join(ROOT, '.cache', 'lab');

/** Everything that a guest is started with. */
export class Toolbox {
  /** The unpacked packages. */
  readonly root: string;
  readonly busybox: string;
  /** The image to boot and its initramfs. */
  kernel = '';
  initramfs = '';
  /** So that unpacked programs find the libraries that were unpacked beside them. */
  readonly environment: NodeJS.ProcessEnv;

  constructor(root: string) {
    this.root = root;
    this.busybox = join(root, 'usr', 'bin', 'busybox');
    const library = join(root, 'usr', 'lib', 'x86_64-linux-gnu');
    const libraries = [library, join(root, 'usr', 'lib'), process.env['LD_LIBRARY_PATH']].filter(Boolean).join(':');
    this.environment = { ...process.env, LD_LIBRARY_PATH: libraries };
  }

  /** The program as unpacked, else the machine's own. */
  program(name: string): { command: string; env: NodeJS.ProcessEnv } {
    if (name.includes('/')) return { command: name, env: process.env };
    const unpacked = ['bin', 'sbin']
      .map((folder) => join(this.root, 'usr', folder, name))
      .find((path) => existsSync(path));
    return unpacked === undefined ? { command: name, env: process.env } : { command: unpacked, env: this.environment };
  }

  run(name: string, args: readonly string[], input: Buffer = Buffer.alloc(0), cwd?: string): Buffer {
    return this.#execute(name, args, { input, cwd });
  }

  /** Runs a program that does what it is called. */
  runAs(name: string, argv0: string, args: readonly string[]): Buffer {
    return this.#execute(name, args, { argv0 });
  }

  #execute(
    name: string,
    args: readonly string[],
    options: { input?: Buffer; cwd?: string | undefined; argv0?: string },
  ): Buffer {
    const { command, env } = this.program(name);
    return execFileSync(command, args, { ...options, env, stdio: ['pipe', 'pipe', 'pipe'], maxBuffer: 2 ** 30 });
  }

  /** QEMU with its firmware, where it was unpacked. */
  qemu(): { command: string; args: readonly string[]; env: NodeJS.ProcessEnv } {
    const { command, env } = this.program('qemu-system-x86_64');
    const share = join(this.root, 'usr', 'share');
    const firmware = command.startsWith(this.root) ? ['-L', join(share, 'qemu'), '-L', join(share, 'seabios')] : [];
    return { command, args: firmware, env };
  }
}

/** A name that changes when the recipe does. */
function recipe(...modules: string[]): string {
  const hash = createHash('sha256');
  for (const name of modules) hash.update(readFileSync(join(dirname(fileURLToPath(import.meta.url)), `${name}.js`)));
  return hash.digest('hex').slice(0, 16);
}

/** The directory of that name, made by `make` unless it is there; of others with the same prefix nothing is kept. */
function kept(prefix: string, key: string, make: (directory: string) => void): string {
  const directory = join(CACHE, `${prefix}-${key}`);
  if (existsSync(directory)) return directory;
  mkdirSync(CACHE, { recursive: true });
  const unfinished = mkdtempSync(join(CACHE, 'unfinished-'));
  try {
    make(join(unfinished, 'new'));
    for (const name of readdirSync(CACHE)) {
      if (name.startsWith(`${prefix}-`)) rmSync(join(CACHE, name), { recursive: true });
    }
    renameSync(join(unfinished, 'new'), directory);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return directory;
}

/** Whether QEMU starts: what it needs of the machine may have been removed since. */
function works(root: string): boolean {
  const { command, env } = new Toolbox(root).qemu();
  try {
    execFileSync(command, ['--version'], { env, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/**
 * The toolbox, from the cache where it is there.
 *
 * @throws LabUnavailable when this machine cannot have it
 */
export function openToolbox(): Toolbox {
  const key = recipe('packages');
  let root = kept('packages', key, fetchPackages);
  if (!works(root)) {
    rmSync(root, { recursive: true });
    root = kept('packages', key, fetchPackages);
  }
  const tools = new Toolbox(root);
  const boot = kept('boot', `${key}-${recipe('kernel', 'initramfs')}`, (directory) => {
    console.log('lab: making the kernel image and the initramfs');
    mkdirSync(directory);
    const image = unpackKernel(tools, join(directory, 'vmlinux'));
    if (image !== join(directory, 'vmlinux')) copyFileSync(image, join(directory, 'vmlinux'));
    buildInitramfs(tools, join(directory, 'initramfs'));
  });
  tools.kernel = join(boot, 'vmlinux');
  tools.initramfs = join(boot, 'initramfs');
  return tools;
}
