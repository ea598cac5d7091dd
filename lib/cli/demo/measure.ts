/** Times durable writes: by pmem and by node:fs on the same file system, and by pmem on memory. */

import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { types } from 'node:util';
import { Region } from '../../memory/region/region.js';
import { formatSize } from '../../units.js';
import { HEADER_SIZE } from './record.js';
import { AREA, type Workplace } from './workplace.js';

/** Time of one kind of durable write. */
export interface Timing {
  /** Nanoseconds per write. */
  readonly median: number;
  readonly samples: number;
}

/** Times of one size, for each kind of write. */
export interface Comparison {
  readonly bytes: number;
  readonly pmem: Timing;
  readonly fs: Timing;
  readonly memory: Timing | undefined;
}

/** All results. */
export interface Measurement {
  readonly comparisons: readonly Comparison[];
  /** Why memory was left out. */
  readonly withoutMemory: string | undefined;
}

const SIZES = [64, 4096, 2 ** 20] as const;
/** Milliseconds for one size. A slow disk takes longer, until it has the fewest samples. */
const BUDGET = 600;
const FEWEST = 11;
const MOST = 2001;
/** Milliseconds. A shorter sample would measure the clock. */
const LONG_ENOUGH = 0.05;

/** Makes `bytes` bytes durable at an offset. */
type DurableWrite = (offset: number, source: Buffer) => void;

const SHM = '/dev/shm';
const TMPFS_MAGIC = 0x01021994;

function why(error: unknown): string {
  return types.isNativeError(error) ? error.message : String(error);
}

/** A region on tmpfs, assumed to be persistent; or the reason why there is none. */
function onMemory(): { region: Region; remove: () => void } | string {
  if (!existsSync(SHM)) return `there is no ${SHM}`;
  let directory: string | undefined;
  const remove = () => {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  };
  try {
    const { type, bavail, bsize } = statfsSync(SHM);
    if (type !== TMPFS_MAGIC) return `${SHM} is not a tmpfs`;
    if (bavail * bsize < AREA) return `${SHM} has less than ${formatSize(AREA)} free`;
    directory = mkdtempSync(join(SHM, 'pmem-demo-'));
    const path = join(directory, 'pmem-demo.dat');
    return { region: Region.open(path, { create: true, size: AREA, assumePersistent: true }), remove };
  } catch (error) {
    remove();
    return why(error);
  }
}

/** Samples of nanoseconds per write, each over a batch that is long enough to be timed. Walks through the file. */
class Sampler {
  readonly samples: number[] = [];
  readonly #write: DurableWrite;
  readonly #source: Buffer;
  readonly #batch: number;
  #offset = 0;

  constructor(write: DurableWrite, source: Buffer) {
    this.#write = write;
    this.#source = source;
    this.#batch = 1;
    this.#time(1);
    const once = this.#time(3);
    this.#batch = Math.min(1000, Math.max(1, Math.ceil((LONG_ENOUGH * 1e6) / once)));
  }

  sample(): void {
    this.samples.push(this.#time(this.#batch));
  }

  result(): Timing {
    const sorted = this.samples.sort((a, b) => a - b);
    return { median: sorted[Math.floor(sorted.length / 2)] ?? 0, samples: sorted.length };
  }

  #time(count: number): number {
    const begin = performance.now();
    for (let i = 0; i < count; i++) {
      this.#write(this.#offset, this.#source);
      this.#offset = (this.#offset + this.#source.length) % AREA;
    }
    return ((performance.now() - begin) * 1e6) / count;
  }
}

/** Takes turns, so that other load on the machine slows all alike. */
async function takeTurns(samplers: readonly Sampler[]): Promise<void> {
  const end = performance.now() + BUDGET;
  for (let i = 0; i < MOST && (i < FEWEST || performance.now() < end); i++) {
    for (const sampler of samplers) sampler.sample();
    // Lets signals in.
    if (i % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

function byRegion(region: Region): DurableWrite {
  return (offset, source) => region.write(offset, source, 'persist');
}

function byDescriptor(fd: number): DurableWrite {
  return (offset, source) => {
    writeSync(fd, source, 0, source.length, offset);
    fdatasyncSync(fd);
  };
}

/** Writes all blocks once: the first write of a block costs a file system more than the next. */
function writeOnce(region: Region, fd: number): void {
  region.fill(0, region.size, 0, 'persist');
  const zeroes = Buffer.alloc(AREA);
  for (let at = 0; at < AREA; ) at += writeSync(fd, zeroes, at, AREA - at, at);
  fsyncSync(fd);
}

async function compare(region: Region, fd: number, memory: Region | undefined): Promise<Comparison[]> {
  writeOnce(region, fd);
  memory?.fill(0, memory.size, 0, 'persist');
  const comparisons: Comparison[] = [];
  for (const bytes of SIZES) {
    const source = Buffer.alloc(bytes, 0x5a);
    const pmem = new Sampler(byRegion(region), source);
    const fs = new Sampler(byDescriptor(fd), source);
    const ram = memory === undefined ? undefined : new Sampler(byRegion(memory), source);
    await takeTurns(ram === undefined ? [pmem, fs] : [pmem, fs, ram]);
    comparisons.push({ bytes, pmem: pmem.result(), fs: fs.result(), memory: ram?.result() });
  }
  return comparisons;
}

/** Measures in the workplace. Overwrites the records. */
export async function measure(place: Workplace, assumePersistent: boolean): Promise<Measurement> {
  const memory = onMemory();
  const withoutMemory = typeof memory === 'string' ? memory : undefined;
  const ram = typeof memory === 'string' ? undefined : memory;
  const region = Region.open(place.path, { assumePersistent });
  const fd = openSync(join(place.directory, 'pmem-demo-fs.dat'), 'wx', 0o600);
  const stop = () => ram?.remove();
  process.once('exit', stop);
  try {
    return { comparisons: await compare(region.slice(HEADER_SIZE), fd, ram?.region), withoutMemory };
  } finally {
    closeSync(fd);
    region.close();
    ram?.region.close();
    stop();
    process.removeListener('exit', stop);
  }
}
