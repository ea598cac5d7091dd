/** QEMU, a kernel, an initramfs and the guest's programs. Made once, and kept in .cache/lab until their recipe changes. */

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
import { indexModules, unpackKernel } from './kernel.js';
import { fetchPackages, machineState } from './packages.js';
import { LabUnavailable } from './unavailable.js';

/** The lab's folder. Git ignores it. */
export const CACHE = join(ROOT, '.cache', 'lab');

/** Everything that a guest is started with. */
export class Toolbox {
  /** The unpacked packages. */
  readonly root: string;
  readonly busybox: string;
  /** The image to boot and its initramfs. */
  kernel = '';
  initramfs = '';
  /** Lets unpacked programs find the unpacked libraries. */
  readonly environment: NodeJS.ProcessEnv;

  constructor(root: string) {
    this.root = root;
    this.busybox = join(root, 'usr', 'bin', 'busybox');
    const library = join(root, 'usr', 'lib', 'x86_64-linux-gnu');
    const libraries = [library, join(root, 'usr', 'lib'), process.env['LD_LIBRARY_PATH']].filter(Boolean).join(':');
    this.environment = { ...process.env, LD_LIBRARY_PATH: libraries };
  }

  /** The unpacked program, else the machine's own. */
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

  /** Runs a program whose function depends on its name. */
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

  /** QEMU, with its firmware if it was unpacked. */
  qemu(): { command: string; args: readonly string[]; env: NodeJS.ProcessEnv } {
    const { command, env } = this.program('qemu-system-x86_64');
    const share = join(this.root, 'usr', 'share');
    const firmware = command.startsWith(this.root) ? ['-L', join(share, 'qemu'), '-L', join(share, 'seabios')] : [];
    return { command, args: firmware, env };
  }
}

/** A name that changes with any of the texts. */
function nameOf(...texts: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(text).update('\0');
  return hash.digest('hex').slice(0, 16);
}

function source(module: string): Buffer {
  return readFileSync(join(dirname(fileURLToPath(import.meta.url)), `${module}.js`));
}

/**
 * The directory for this key, which `make` fills if it does not exist. Removes others with the same prefix, whose recipe is out of date. If
 * two processes make it at the same time, both make the same, and the first one stays.
 */
export function kept(home: string, prefix: string, key: string, make: (directory: string) => void): string {
  const name = `${prefix}-${key}`;
  const directory = join(home, name);
  if (existsSync(directory)) return directory;
  mkdirSync(home, { recursive: true });
  const unfinished = mkdtempSync(join(home, 'unfinished-'));
  try {
    make(join(unfinished, 'new'));
    if (!existsSync(directory)) renameSync(join(unfinished, 'new'), directory);
  } catch (error) {
    if (!existsSync(directory)) throw error;
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  for (const other of readdirSync(home)) {
    if (other.startsWith(`${prefix}-`) && other !== name) rmSync(join(home, other), { recursive: true, force: true });
  }
  return directory;
}

/** The first version that emulates AVX. */
const OLDEST_QEMU = [7, 2] as const;

/** Why QEMU does not work; undefined if it does. The machine may have lost a library since. */
function complaint(root: string): string | undefined {
  const { command, env } = new Toolbox(root).qemu();
  let version: string;
  try {
    version = execFileSync(command, ['--version'], { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    return `QEMU does not start: ${(error as { stderr?: string }).stderr ?? error}`;
  }
  const [, major = 0, minor = 0] = (/version (\d+)\.(\d+)/.exec(version) ?? []).map(Number);
  const [oldMajor, oldMinor] = OLDEST_QEMU;
  if (major > oldMajor || (major === oldMajor && minor >= oldMinor)) return undefined;
  return `QEMU ${OLDEST_QEMU.join('.')} or later is needed (Debian 12, Ubuntu 24.04); this is ${version.split('\n')[0]}`;
}

function makePackages(root: string): void {
  fetchPackages(root);
  indexModules(new Toolbox(root));
}

/**
 * The toolbox, from the cache where it is there.
 *
 * @throws LabUnavailable when this machine cannot have it
 */
export function openToolbox(): Toolbox {
  const packages = nameOf(source('packages'), ...machineState());
  let root = kept(CACHE, 'packages', packages, makePackages);
  if (complaint(root) !== undefined) {
    for (const name of readdirSync(CACHE)) {
      if (/^(packages|boot)-/.test(name)) rmSync(join(CACHE, name), { recursive: true, force: true });
    }
    root = kept(CACHE, 'packages', packages, makePackages);
  }
  const unusable = complaint(root);
  if (unusable !== undefined) throw new LabUnavailable(unusable);
  const tools = new Toolbox(root);
  const key = nameOf(packages, source('kernel'), source('initramfs'));
  const boot = kept(CACHE, 'boot', key, (directory) => {
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
