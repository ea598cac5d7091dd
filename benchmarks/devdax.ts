/** Suite `devdax`: the effect of the page size, and copies compared with daxio and dd. */

import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { formatSize, Region } from 'pmem';
import { DaxDevice } from 'pmem/devdax';
import { type Daxio, loadDaxio } from './daxio.js';
import { mountHugePages } from './huge-pages.js';
import { type Batch, type CaseResult, type Contest, type Effort, measure, timed } from './measure.js';
import type { SuiteContext } from './run.js';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** The largest power of two that fits three times, at most `most`. */
function windowSize(most: number): number {
  const free = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
  return 2 ** Math.floor(Math.log2(Math.min(most, (Number(free) * 1024) / 3)));
}

/** Calls with offsets in random order, all multiples of `unit`. */
function atRandom(size: number, unit: number, call: (offset: number) => void): Batch {
  const units = size / unit;
  let state = 1;
  return timed((_, count) => {
    for (let i = 0; i < count; i++) {
      // Marsaglia's xorshift, 32 bits.
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      call(((state >>> 0) % units) * unit);
    }
  });
}

function reads(region: Region): Batch {
  return atRandom(region.size, 8, (offset) => {
    region.load64(offset);
  });
}

function writes(region: Region): Batch {
  const line = Buffer.alloc(64, 0x5a);
  return atRandom(region.size, 64, (offset) => region.write(offset, line, 'persist'));
}

function pages({ directory }: SuiteContext, effort: Effort): CaseResult[] {
  const size = windowSize(effort.most);
  const huge = mountHugePages(size);
  if (huge === undefined) return [];
  try {
    const options = { create: true, size, assumePersistent: true } as const;
    using small = DaxDevice.open(join(directory, 'small'), { ...options, align: 4096, emulate: true });
    using large = DaxDevice.open(join(huge.directory, 'large'), { ...options, align: 2 * MIB });
    using a = small.map({ populate: true });
    using b = large.map({ populate: true });
    const one = (name: string, batch: (region: Region) => Batch) =>
      measure(
        { case: `${name}, ${formatSize(size)}, 2 MiB pages`, count: 1000, ours: batch(b), peers: { '4KiB': batch(a) } },
        effort,
      );
    return [one('read 8 B at random', reads), one('durable write 64 B at random', writes)];
  } finally {
    rmSync(join(directory, 'small'), { force: true });
    huge.unmount();
  }
}

function run(name: string, words: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(name, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  if (status !== 0) throw new Error(`${name} ${words.join(' ')}: ${stderr}`);
  return stdout;
}

/** The time of a whole process, from start to end. */
function command(name: string, words: readonly string[]): Batch {
  return timed(() => {
    run(name, words);
  });
}

/** The time from which the command computes its speed, as dd does: without the start of Node.js. */
function ownClock(words: readonly string[]): Batch {
  return () => JSON.parse(run(process.execPath, [...words, '--json'])).seconds * 1e9;
}

function fillFile(path: string, size: number): void {
  const fd = openSync(path, 'w', 0o600);
  const piece = Buffer.alloc(4 * MIB, 0xa5);
  for (let at = 0; at < size; at += piece.length) writeSync(fd, piece, 0, piece.length, at);
  closeSync(fd);
}

/** A file that can only be filled through a mapping, as on hugetlbfs. */
function fillMapped(path: string, size: number): void {
  using region = Region.open(path, { create: true, size });
  region.fill(0, size, 0xa5);
}

/** Files in place of two devices, and a file. */
interface Places {
  readonly device: string;
  readonly other: string;
  readonly file: string;
}

function contestsOf(
  { device, other, file }: Places,
  size: number,
  main: string,
  daxio: Daxio | undefined,
  withDd: boolean,
): Omit<Contest, 'count'>[][] {
  const contest = (name: string, words: string[], emulate: string, devices: string[], dd?: [string, string]) => {
    const peers: Record<string, Batch> = {};
    if (daxio !== undefined) peers['daxio'] = timed(() => daxio(words, devices));
    if (withDd && dd !== undefined) {
      const [from, to] = dd;
      peers['dd'] = command('/bin/dd', [
        `if=${from}`,
        `of=${to}`,
        `count=${size}`,
        'bs=4M',
        'iflag=count_bytes',
        'conv=notrunc',
      ]);
    }
    const ours = [main, 'dax', 'copy', '--assume-persistent', ...words, '--emulate', emulate];
    return [
      { case: name, ours: ownClock(ours), peers },
      { case: `${name}, from the start of Node on`, ours: command(process.execPath, ours), peers },
    ];
  };
  return [
    contest('file to device', ['-i', file, '-o', device], 'output', [device], [file, device]),
    contest('device to file', ['-i', device, '-o', file], 'input', [device], [device, file]),
    contest('device to device', ['-i', other, '-o', device], 'both', [other, device], [other, device]),
    contest('zeroes to device', ['--zero', '-o', device], 'output', [device], ['/dev/zero', device]),
  ];
}

/** Pages of 4 KiB are a file's in the page cache, with its faults. Pages of 2 MiB are a device's. */
function copies(
  { directory, root }: SuiteContext,
  effort: Effort,
  size: number,
  huge: string | undefined,
): CaseResult[] {
  const places: Places = {
    device: join(huge ?? directory, 'device'),
    other: join(huge ?? directory, 'other'),
    file: join(directory, 'file'),
  };
  const pages = huge === undefined ? '4 KiB' : '2 MiB';
  const rounds: Effort = { ...effort, rounds: Math.min(effort.rounds, 9), batches: 1 };
  try {
    for (const path of [places.device, places.other]) (huge === undefined ? fillFile : fillMapped)(path, size);
    fillFile(places.file, size);
    const main = join(root, 'dist', 'cli', 'main.js');
    return contestsOf(places, size, main, loadDaxio(root, directory), huge === undefined)
      .flat()
      .map((one) =>
        measure({ ...one, case: `copy ${formatSize(size)}, ${pages} pages, ${one.case}`, count: 1 }, rounds, 1),
      );
  } finally {
    for (const path of Object.values(places)) rmSync(path, { force: true });
  }
}

/** Page sizes first: they need memory that the copies fill later. */
export function devdaxSuite(context: SuiteContext, effort: Effort): CaseResult[] {
  const cases = pages(context, effort);
  const size = windowSize(Math.min(4 * GIB, effort.most));
  const huge = mountHugePages(2 * size);
  if (huge !== undefined) {
    try {
      cases.push(...copies(context, effort, size, huge.directory));
    } finally {
      huge.unmount();
    }
  }
  return [...cases, ...copies(context, effort, size, undefined)];
}
