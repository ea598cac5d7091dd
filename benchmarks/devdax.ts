/** Suite `devdax`: what the size of pages is worth, and copies against daxio and dd. */

import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DaxDevice, formatSize, type Region } from 'pmem';
import { loadDaxio } from './daxio.js';
import { mountHugePages } from './huge-pages.js';
import { type Batch, type CaseResult, type Contest, type Effort, measure, timed } from './measure.js';
import type { SuiteContext } from './run.js';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** As much as there is room for three times, and no more than `most`: a power of two. */
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

/** A whole process, from start to end: what people wait for. */
function command(name: string, words: readonly string[]): Batch {
  return timed(() => {
    const { status, stderr } = spawnSync(name, words, { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
    if (status !== 0) throw new Error(`${name} ${words.join(' ')}: ${stderr}`);
  });
}

function fillFile(path: string, size: number): void {
  const fd = openSync(path, 'w');
  const piece = Buffer.alloc(4 * MIB, 0xa5);
  for (let at = 0; at < size; at += piece.length) writeSync(fd, piece, 0, piece.length, at);
  closeSync(fd);
}

function copies({ directory, root }: SuiteContext, effort: Effort): CaseResult[] {
  const size = windowSize(Math.min(4 * GIB, effort.most));
  const daxio = loadDaxio(root, directory);
  const [device, other, file] = ['device', 'other', 'file'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [device, other, file]) fillFile(path, size);
  const main = join(root, 'dist', 'cli', 'main.js');
  const ours = (...words: string[]) =>
    command(process.execPath, [main, 'dax', 'copy', '--assume-persistent', ...words]);
  const dd = (from: string, to: string) => ({
    dd: command('dd', [`if=${from}`, `of=${to}`, `count=${size}`, 'bs=4M', 'iflag=count_bytes', 'conv=notrunc']),
  });
  const peers = (words: string[], devices: string[], others: Contest['peers']): Contest['peers'] =>
    daxio === undefined ? others : { daxio: timed(() => daxio(words, devices)), ...others };
  const contests: Omit<Contest, 'count'>[] = [
    {
      case: 'file to device',
      ours: ours('-i', file, '-o', device, '--emulate', 'output'),
      peers: peers(['-i', file, '-o', device], [device], dd(file, device)),
    },
    {
      case: 'device to file',
      ours: ours('-i', device, '-o', file, '--emulate', 'input'),
      peers: peers(['-i', device, '-o', file], [device], dd(device, file)),
    },
    {
      case: 'device to device',
      ours: ours('-i', other, '-o', device, '--emulate', 'both'),
      peers: peers(['-i', other, '-o', device], [other, device], dd(other, device)),
    },
    {
      case: 'zeroes to device',
      ours: ours('--zero', '-o', device, '--emulate', 'output'),
      peers: peers(['--zero', '-o', device], [device], dd('/dev/zero', device)),
    },
  ];
  const rounds: Effort = { ...effort, rounds: Math.min(effort.rounds, 9), batches: 1 };
  try {
    return contests.map((one) =>
      measure({ ...one, case: `copy ${formatSize(size)}, ${one.case}`, count: 1 }, rounds, 1),
    );
  } finally {
    for (const path of [device, other, file]) rmSync(path);
  }
}

/** Page sizes first: they need the memory that the copies fill. */
export function devdaxSuite(context: SuiteContext, effort: Effort): CaseResult[] {
  return [...pages(context, effort), ...copies(context, effort)];
}
