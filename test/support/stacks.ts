/**
 * Real stacks of file systems and block devices, and what a region on top of each must say of the media at the bottom. This machine and
 * the lab share the table. This file is also a program, which runs in a mount namespace of its own, makes stacks and reports on them.
 */

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { ROOT } from './paths.js';
import { needsRoot } from './root.js';

/** What a region says of itself, and the outcome of a persist. */
export interface Told {
  readonly below: string;
  readonly volatile: boolean;
  /** `done` or a code. */
  readonly persist: string;
  readonly reason: string;
}

export interface Stack {
  readonly name: string;
  readonly below: 'persistent' | 'volatile' | 'unknown';
  /** Part of the reason. */
  readonly reason?: RegExp;
  /** Where it runs: on every Linux, or in the lab only. */
  readonly where: 'host' | 'lab';
  /** Programs that it needs. */
  readonly tools: readonly string[];
  /** The root of the container to which the path belongs. */
  readonly root?: (home: string) => string;
  /** Makes the stack in a new tmpfs at `home`, or on `disk` for files on a disk. Returns the path of a file to make, or of a device. */
  make(home: string, disk: string): string;
}

function sh(...command: string[]): string {
  const [file = '', ...args] = command;
  try {
    return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  } catch (error) {
    throw new Error(`${command.join(' ')}: ${(error as { stderr?: string }).stderr}`, { cause: error });
  }
}

/** What the program undoes at its end. The mounts end with its namespace. */
const undo: string[][] = [];

function blank(path: string, mib = 40): string {
  sh('truncate', '--size', `${mib}M`, path);
  return path;
}

function loop(path: string, ...options: string[]): string {
  const device = sh('losetup', '--find', '--show', ...options, path);
  undo.unshift(['losetup', '--detach', device]);
  return device;
}

function directory(path: string): string {
  mkdirSync(path, { recursive: true });
  return path;
}

function mount(device: string, at: string, ...options: string[]): string {
  sh('mount', ...options, device, directory(at));
  return at;
}

function ext4(device: string, at: string, ...options: string[]): string {
  sh('mkfs.ext4', '-q', '-F', '-b', '4096', device);
  return mount(device, at, ...options);
}

function overlay(at: string, upper: string, work: string, lower: string, cwd?: string, more = ''): string {
  for (const path of [upper, work, lower]) directory(cwd === undefined ? path : `${cwd}/${path}`);
  const escaped = (path: string) => path.replaceAll(/[\\,:]/g, '\\$&');
  const options = `lowerdir=${escaped(lower)},upperdir=${escaped(upper)},workdir=${escaped(work)}${more}`;
  execFileSync('mount', ['-i', '-t', 'overlay', 'overlay', '-o', options, directory(at)], { cwd, stdio: 'pipe' });
  return at;
}

function linear(device: string): string {
  const name = `pmem-test-${process.pid}`;
  sh('dmsetup', 'create', name, '--noudevsync', '--table', `0 ${sh('blockdev', '--getsz', device)} linear ${device} 0`);
  undo.unshift(['dmsetup', 'remove', '--noudevsync', name]);
  const node = `/dev/mapper/${name}`;
  if (!existsSync(node)) sh('dmsetup', 'mknodes');
  return node;
}

const LOOP = ['losetup', 'mkfs.ext4'] as const;
const LAB = ['modprobe', ...LOOP] as const;
const VOLATILE = { below: 'volatile' } as const;
const DM = { tools: [...LAB, 'dmsetup'], where: 'lab', ...VOLATILE } as const;

function ram(...options: string[]): string {
  sh('modprobe', '--config', '/dev/null', 'brd', 'rd_nr=1', 'rd_size=65536', ...options);
  sh('modprobe', '--config', '/dev/null', '--all', 'ext4', 'loop');
  return '/dev/ram0';
}

function mapper(device: string): string {
  sh('modprobe', '--config', '/dev/null', 'dm_mod');
  return linear(device);
}

export const STACKS: readonly Stack[] = [
  {
    name: 'a file on a disk',
    where: 'host',
    below: 'persistent',
    tools: [],
    make: (_, disk) => `${disk}/file`,
  },
  { name: 'tmpfs', where: 'host', ...VOLATILE, tools: [], make: (home) => `${home}/file` },
  {
    name: 'ext4 on a loop device on a disk',
    where: 'host',
    below: 'persistent',
    tools: LOOP,
    make: (home, disk) => `${ext4(loop(blank(`${disk}/image`)), `${home}/m`)}/file`,
  },
  {
    name: 'the same, its file deleted',
    where: 'host',
    below: 'persistent',
    tools: LOOP,
    make: (home, disk) => {
      const at = ext4(loop(blank(`${disk}/image`)), `${home}/m`);
      sh('rm', `${disk}/image`);
      return `${at}/file`;
    },
  },
  {
    name: 'ext4 on a loop device on tmpfs',
    where: 'host',
    ...VOLATILE,
    tools: LOOP,
    make: (home) => `${ext4(loop(blank(`${home}/image`)), `${home}/m`)}/file`,
  },
  {
    name: 'the same, its file deleted and another one on a disk in its place',
    where: 'host',
    ...VOLATILE,
    tools: LOOP,
    make: (home, disk) => {
      const at = ext4(loop(blank(`${home}/image`)), `${home}/m`);
      sh('rm', `${home}/image`);
      sh('ln', '-s', blank(`${disk}/image`), `${home}/image`);
      return `${at}/file`;
    },
  },
  {
    name: 'a loop device itself, on a loop device on tmpfs',
    where: 'host',
    ...VOLATILE,
    tools: LOOP,
    make: (home) => loop(loop(blank(`${home}/image`))),
  },
  {
    name: 'a loop device on a loop device on a disk, whose node is on devtmpfs',
    where: 'host',
    below: 'persistent',
    tools: LOOP,
    make: (home, disk) => `${ext4(loop(loop(blank(`${disk}/image`))), `${home}/m`)}/file`,
  },
  {
    name: 'ext4 on a loop device on ext4 on a loop device on tmpfs',
    where: 'host',
    ...VOLATILE,
    tools: LOOP,
    make: (home) => {
      const outer = ext4(loop(blank(`${home}/image`, 60)), `${home}/m`);
      return `${ext4(loop(blank(`${outer}/image`, 30)), `${home}/n`)}/file`;
    },
  },
  {
    name: 'a partition of a loop device on tmpfs',
    where: 'lab',
    ...VOLATILE,
    tools: [...LAB, 'sfdisk'],
    make: (home) => {
      sh('modprobe', '--config', '/dev/null', '--all', 'loop', 'ext4');
      blank(`${home}/image`);
      execFileSync('sfdisk', ['-q', `${home}/image`], { input: ',,L\n', stdio: 'pipe' });
      return `${ext4(`${loop(`${home}/image`, '--partscan')}p1`, `${home}/m`)}/file`;
    },
  },
  {
    name: 'btrfs on a loop device on tmpfs',
    where: 'host',
    ...VOLATILE,
    tools: ['losetup', 'mkfs.btrfs'],
    make: (home) => {
      const device = loop(blank(`${home}/image`, 160));
      sh('mkfs.btrfs', '-q', '-f', device);
      return `${mount(device, `${home}/m`)}/file`;
    },
  },
  {
    name: 'a subvolume of btrfs on two loop devices, one of them on tmpfs',
    where: 'host',
    ...VOLATILE,
    tools: ['losetup', 'mkfs.btrfs', 'btrfs'],
    make: (home, disk) => {
      const devices = [loop(blank(`${disk}/image`, 160)), loop(blank(`${home}/image`, 160))];
      sh('mkfs.btrfs', '-q', '-f', ...devices);
      sh('btrfs', 'device', 'scan', ...devices);
      const at = mount(devices[0] ?? '', `${home}/m`);
      sh('btrfs', 'subvolume', 'create', `${at}/sub`);
      return `${at}/sub/file`;
    },
  },
  {
    name: 'btrfs on a loop device on a disk',
    where: 'host',
    below: 'persistent',
    tools: ['losetup', 'mkfs.btrfs'],
    make: (home, disk) => {
      const device = loop(blank(`${disk}/image`, 160));
      sh('mkfs.btrfs', '-q', '-f', device);
      return `${mount(device, `${home}/m`)}/file`;
    },
  },
  {
    name: 'ext4 on a loop device whose file is in btrfs on a loop device on tmpfs',
    where: 'host',
    ...VOLATILE,
    tools: [...LOOP, 'mkfs.btrfs'],
    make: (home) => {
      const device = loop(blank(`${home}/image`, 200));
      sh('mkfs.btrfs', '-q', '-f', device);
      const at = mount(device, `${home}/m`);
      return `${ext4(loop(blank(`${at}/image`)), `${home}/n`)}/file`;
    },
  },
  {
    name: 'an overlay with its upper directory on a disk',
    where: 'host',
    below: 'persistent',
    tools: LOOP,
    make: (home, disk) => {
      // The disk of this machine may be an overlay, which cannot carry another overlay.
      const at = ext4(loop(blank(`${disk}/image`)), `${home}/m`);
      return `${overlay(`${home}/o`, `${at}/u`, `${at}/w`, `${home}/l`)}/file`;
    },
  },
  {
    name: 'an overlay with its upper directory on tmpfs',
    where: 'host',
    ...VOLATILE,
    tools: [],
    make: (home) => `${overlay(`${home}/o`, `${home}/u`, `${home}/w`, `${home}/l`)}/file`,
  },
  {
    name: 'an overlay whose upper directory on tmpfs has a blank, a comma, a colon and a backslash in its name',
    where: 'host',
    ...VOLATILE,
    tools: [],
    make: (home) => `${overlay(`${home}/o`, `${home}/u p,q:r\\s`, `${home}/w`, `${home}/l`)}/file`,
  },
  {
    name: 'an overlay with a relative upper directory, beside its mount point',
    where: 'host',
    ...VOLATILE,
    tools: [],
    make: (home) => `${overlay(`${home}/o`, 'u', 'w', 'l', home)}/file`,
  },
  {
    name: 'an overlay with a relative upper directory, elsewhere',
    where: 'host',
    below: 'unknown',
    reason: /upper directory, u, cannot be seen from here.*assumePersistent: 'msync'/,
    tools: [],
    make: (home) => `${overlay(`${home}/o`, 'u', 'w', 'l', directory(`${home}/elsewhere`))}/file`,
  },
  {
    name: 'a bind mount of a directory in an overlay with its upper directory on tmpfs',
    where: 'host',
    ...VOLATILE,
    tools: [],
    make: (home) => {
      const at = overlay(`${home}/o`, `${home}/u`, `${home}/w`, `${home}/l`);
      sh('mount', '--bind', directory(`${at}/sub`), directory(`${home}/b`));
      return `${home}/b/file`;
    },
  },
  {
    name: 'an overlay whose upper directory is another one here, on a disk',
    where: 'host',
    below: 'unknown',
    reason: /cannot be seen from here/,
    tools: [],
    make: (home, disk) => {
      const base = directory(`${home}/base`);
      const at = overlay(`${home}/o`, `${base}/u`, `${base}/w`, `${home}/l`);
      sh('mount', '--bind', directory(`${disk}/base`), base);
      directory(`${base}/u`);
      return `${at}/file`;
    },
  },
  {
    name: 'the root of a container, an overlay with its upper directory outside of that',
    where: 'host',
    below: 'unknown',
    reason: /^a persist is an msync .*unknown: \/ is an overlay whose upper directory, .*, cannot be seen from here/,
    tools: ['chroot'],
    root: (home) => `${home}/root`,
    make: (home) => {
      const root = overlay(`${home}/root`, `${home}/u`, `${home}/w`, '/');
      // What the program itself needs, wherever this machine has it mounted.
      for (const at of ['/proc', '/sys', '/dev', dirname(process.execPath), ROOT]) {
        sh('mount', '--rbind', at, directory(`${root}${at}`));
      }
      return '/file';
    },
  },
  {
    name: 'an overlay that was told not to sync',
    where: 'host',
    ...VOLATILE,
    reason: /told not to sync/,
    tools: LOOP,
    make: (home, disk) => {
      const at = ext4(loop(blank(`${disk}/image`)), `${home}/m`);
      return `${overlay(`${home}/o`, `${at}/u`, `${at}/w`, `${home}/l`, undefined, ',volatile')}/file`;
    },
  },
  {
    name: 'an overlay with its upper directory on ext4 on a loop device on tmpfs',
    where: 'host',
    ...VOLATILE,
    tools: LOOP,
    make: (home) => {
      const at = ext4(loop(blank(`${home}/image`)), `${home}/m`);
      return `${overlay(`${home}/o`, `${at}/u`, `${at}/w`, `${home}/l`)}/file`;
    },
  },
  {
    name: 'ext4 on a loop device on a disk, mounted nobarrier',
    where: 'host',
    below: 'unknown',
    reason: /nobarrier: an msync does not empty the disk's own cache/,
    tools: LOOP,
    make: (home, disk) => `${ext4(loop(blank(`${disk}/image`)), `${home}/m`, '-o', 'nobarrier')}/file`,
  },
  {
    name: 'xfs with its log on a loop device on tmpfs',
    where: 'host',
    ...VOLATILE,
    tools: ['losetup', 'mkfs.xfs'],
    make: (home, disk) => {
      const [log, device] = [loop(blank(`${home}/log`, 128)), loop(blank(`${disk}/image`, 320))];
      sh('mkfs.xfs', '-q', '-f', '-l', `logdev=${log}`, device);
      return `${mount(device, `${home}/m`, '-o', `logdev=${log}`)}/file`;
    },
  },
  {
    name: 'ext4 on /dev/ram0',
    where: 'lab',
    ...VOLATILE,
    tools: LAB,
    make: (home) => `${ext4(ram(), `${home}/m`)}/file`,
  },
  {
    name: 'ext4 on zram',
    where: 'lab',
    ...VOLATILE,
    tools: LAB,
    make: (home) => {
      sh('modprobe', '--config', '/dev/null', '--all', 'zram', 'ext4');
      writeFileSync('/sys/block/zram0/disksize', '64M');
      return `${ext4('/dev/zram0', `${home}/m`)}/file`;
    },
  },
  { name: 'device mapper on /dev/ram0', ...DM, make: () => mapper(ram()) },
  {
    name: 'ext4 on device mapper on a loop device on tmpfs',
    ...DM,
    make: (home) => {
      ram();
      return `${ext4(mapper(loop(blank(`${home}/image`))), `${home}/m`)}/file`;
    },
  },
  {
    name: 'ext4 on a loop device on ext4 on device mapper on /dev/ram0',
    ...DM,
    make: (home) => {
      const outer = ext4(mapper(ram()), `${home}/m`);
      return `${ext4(loop(blank(`${outer}/image`, 20)), `${home}/n`)}/file`;
    },
  },
  {
    name: 'ext4 on md raid1 of /dev/ram0',
    where: 'lab',
    ...VOLATILE,
    tools: [...LAB, 'mdadm'],
    make: (home) => {
      const device = ram();
      sh('modprobe', '--config', '/dev/null', 'raid1');
      sh(
        'mdadm',
        '--create',
        '/dev/md9',
        '--run',
        '--level=1',
        '--raid-devices=2',
        '--metadata=1.2',
        device,
        'missing',
      );
      undo.unshift(['mdadm', '--stop', '/dev/md9']);
      return `${ext4('/dev/md9', `${home}/m`)}/file`;
    },
  },
];

/** Opens a region on the top of the stack. */
async function tell(path: string): Promise<Told> {
  const { Region } = await import('pmem');
  const isThere = existsSync(path);
  const region = Region.open(path, isThere ? {} : { create: true, size: '64KiB' });
  const { below, volatile, reason } = region.durability;
  let persist = 'done';
  try {
    region.write(0, Buffer.from('x'), 'persist');
  } catch (error) {
    persist = (error as { code: string }).code;
  }
  region.close();
  return { below, volatile, reason, persist };
}

/** The report on each stack, or why it could not be made. */
export type Answers = Readonly<Record<string, Told | string>>;

/** Makes the stacks one by one, in a mount namespace of their own and in the given directories, and reports on each. */
export function tellAll(stacks: readonly Stack[], home: string, disk: string): Answers {
  const names = stacks.map(({ name }) => name);
  const args = ['--mount', '--propagation', 'private', process.execPath, import.meta.filename];
  const { PMEM_ASSUME_PERSISTENT, ...env } = process.env;
  const text = execFileSync('unshare', [...args, JSON.stringify({ names, home, disk })], { encoding: 'utf8', env });
  return JSON.parse(text) as Answers;
}

function mountsBelow(home: string): string[] {
  const table = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return table.map((line) => line.split(' ')[4] ?? '').filter((at) => at === home || at.startsWith(`${home}/`));
}

async function tried(stack: Stack, home: string, disk: string): Promise<Told | string> {
  sh('mount', '-t', 'tmpfs', '-o', 'size=400m', 'tmpfs', directory(home));
  try {
    const path = stack.make(home, directory(disk));
    if (stack.root === undefined) return await tell(path);
    const args = [stack.root(home), process.execPath, import.meta.filename, JSON.stringify({ path })];
    return JSON.parse(execFileSync('chroot', args, { encoding: 'utf8' })) as Told;
  } catch (error) {
    return String((error as Error).stack);
  } finally {
    // In reverse order: a device is released before the device below it.
    for (const command of [
      ...mountsBelow(home)
        .reverse()
        .map((at) => ['umount', '--lazy', at]),
      ...undo.splice(0),
    ]) {
      sh(...command);
    }
  }
}

interface Request {
  readonly names: readonly string[];
  readonly home: string;
  readonly disk: string;
}

async function all({ names, home, disk }: Request): Promise<Answers> {
  const answers: Record<string, Told | string> = {};
  for (const [i, name] of names.entries()) {
    const stack = STACKS.find((one) => one.name === name);
    if (stack !== undefined) answers[name] = await tried(stack, `${home}/${i}`, `${disk}/${i}`);
  }
  return answers;
}

if (basename(process.argv[1] ?? '') === 'stacks.js') {
  const request = JSON.parse(process.argv[2] ?? '') as Request | { path: string };
  const answer = 'path' in request ? await tell(request.path) : await all(request);
  process.stdout.write(JSON.stringify(answer));
}

/** Defines a test for each stack that runs here. Call it in `describe`. */
export function stackTests(where: Stack['where'], file: (name: string) => string): void {
  const stacks = STACKS.filter((stack) => stack.where === where);
  let answers: Answers = {};
  const missing = ({ tools }: Stack) => tools.find((tool) => !hasProgram(tool));
  before(function () {
    needsRoot(this);
    const [home, disk] = [directory(file('home')), directory(file('disk'))];
    answers = tellAll(
      stacks.filter((stack) => missing(stack) === undefined),
      home,
      disk,
    );
  });
  for (const stack of stacks) {
    const { name, below, reason } = stack;
    it(`${name}: ${below}`, function () {
      const tool = missing(stack);
      if (tool !== undefined) {
        assert.notEqual(process.env['CI'], 'true', `CI has ${tool}`);
        console.log(`      skipped: no ${tool}`);
        this.skip();
      }
      const told = answers[name];
      if (typeof told !== 'object') throw new Error(told);
      const volatile = below === 'volatile';
      const expected = { below, volatile, persist: volatile ? 'ERR_PMEM_VOLATILE' : 'done' };
      assert.deepEqual({ below: told.below, volatile: told.volatile, persist: told.persist }, expected, told.reason);
      if (reason !== undefined) assert.match(told.reason, reason);
    });
  }
}

function hasProgram(name: string): boolean {
  return spawnSync('sh', ['-c', `PATH=$PATH:/usr/sbin:/sbin command -v ${name}`]).status === 0;
}
