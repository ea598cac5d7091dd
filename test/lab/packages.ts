/** The packages of Debian or Ubuntu that the lab needs, unpacked into its own folder. Installs nothing. */

import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { LabUnavailable } from './unavailable.js';

/** Programs that the machine may have; else they come from the folder. */
const PROGRAMS = [
  'qemu-system-x86',
  'kmod',
  'ndctl',
  'daxctl',
  'pmdk-tools',
  'e2fsprogs',
  'xfsprogs',
  'fdisk',
  'gdisk',
  'xz-utils',
  'zstd',
  'dmsetup',
  'mdadm',
];
/** Always unpacked: it goes into the initramfs, which has no libraries. */
const STATIC = ['busybox-static'];
/** The distributions' current kernels. The first that exists is taken. */
const KERNELS = ['linux-image-amd64', 'linux-image-generic'];

const HOW = `The lab needs x86-64 Debian (from 12) or Ubuntu (from 24.04), apt-get with its package lists ('apt-get update' as root), and
their archive or a mirror of it. Elsewhere, run it in a container or a virtual machine of one of them.`;

function output(command: string, args: readonly string[], cwd?: string): string {
  const env = { ...process.env, LC_ALL: 'C' };
  return execFileSync(command, args, {
    cwd,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 28,
  });
}

function isInstalled(name: string): boolean {
  try {
    return output('dpkg-query', ['-W', `--showformat=\${Status}`, name]) === 'install ok installed';
  } catch {
    return false;
  }
}

/** The kernel's image and modules, of all that its meta package depends on. */
function kernelPackages(): string[] {
  for (const meta of KERNELS) {
    const found = new Set<string>();
    const pending = [meta];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      let lines: string[];
      try {
        lines = output('apt-cache', ['depends', '--important', name]).split('\n');
      } catch {
        break;
      }
      const next = lines.map((line) => /^ +\|?(?:Pre)?Depends: (linux-(?:image|modules)\S*)$/.exec(line)?.[1]);
      for (const one of next) if (one !== undefined && !found.has(one)) pending.push(one);
      if (name !== meta) found.add(name);
    }
    if (found.size > 0) return [...found];
  }
  throw new LabUnavailable(`No kernel package is known here (${KERNELS.join(', ')}). ${HOW}`);
}

/** The state of the machine on which the choice of packages depends. */
export function machineState(): string[] {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return [release, ...PROGRAMS.filter(isInstalled)];
}

/** What apt-get would install for the missing programs, with their dependencies. */
function missingPrograms(): string[] {
  const missing = PROGRAMS.filter((name) => !isInstalled(name));
  if (missing.length === 0) return [];
  const plan = output('apt-get', ['install', '--simulate', '--no-install-recommends', ...missing]);
  return [...plan.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name as string);
}

function download(directory: string): void {
  const names = [...new Set([...kernelPackages(), ...STATIC, ...missingPrograms()])];
  console.log(`lab: fetching ${names.length} packages`);
  output('apt-get', ['download', '--quiet', ...names], directory);
}

function refreshLists(): void {
  if (process.getuid?.() !== 0) return;
  console.log('lab: apt-get update');
  output('apt-get', ['update', '--quiet']);
}

function fetchInto(directory: string): void {
  try {
    download(directory);
  } catch {
    // The package lists are missing, or older than the archive.
    try {
      refreshLists();
      for (const name of readdirSync(directory)) rmSync(join(directory, name));
      download(directory);
    } catch (error) {
      if (error instanceof LabUnavailable) throw error;
      const { stderr, message } = error as { stderr?: string; message: string };
      throw new LabUnavailable(`${(stderr ?? message).trim()}\n${HOW}`);
    }
  }
}

/** Moves /bin and /lib of packages below /usr, where everything else lies. */
const MERGED = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'];

function unpack(packages: string, root: string): void {
  for (const name of MERGED) {
    mkdirSync(join(root, 'usr', name), { recursive: true });
    symlinkSync(join('usr', name), join(root, name));
  }
  for (const name of readdirSync(packages).filter((one) => one.endsWith('.deb'))) {
    const deb = join(packages, name);
    execFileSync('bash', [
      '-c',
      'set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar --extract --no-same-owner --keep-directory-symlink --directory "$2"',
      'unpack',
      deb,
      root,
    ]);
  }
  // The machine has its own links: this folder is an overlay on its root.
  for (const name of MERGED) if (lstatSync(join(root, name)).isSymbolicLink()) rmSync(join(root, name));
}

/**
 * Fetches and unpacks everything into `root`, which must not exist.
 *
 * @throws LabUnavailable when this machine cannot have it, with the way to get it
 */
export function fetchPackages(root: string): void {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new LabUnavailable(HOW);
  const packages = `${root}.packages`;
  rmSync(packages, { recursive: true, force: true });
  mkdirSync(packages, { recursive: true });
  try {
    fetchInto(packages);
    console.log('lab: unpacking');
    unpack(packages, root);
  } finally {
    rmSync(packages, { recursive: true, force: true });
  }
}
