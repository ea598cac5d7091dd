/** Suite `persist`: making stores durable, compared with libpmem on the same mapping. */

import { join } from 'node:path';
import { formatSize, Region } from 'pmem';
import { loadLibpmem } from './libpmem.js';
import { type CaseResult, type Contest, type Effort, measure, timed } from './measure.js';
import type { SuiteContext } from './run.js';

const WINDOW = 64 * 2 ** 20;
const MASK = WINDOW - 1;
const LINE = 64;
/** The distance of scattered lines, in lines: a prime number. */
const STRIDE = 131 * LINE;

/** Sizes of durable writes, and the number of them that takes some 50 microseconds. */
const WRITES: readonly [bytes: number, count: number][] = [
  [256, 400],
  [4096, 200],
  [65536, 20],
  [2 ** 20, 2],
];

function contests(region: Region, root: string): Contest[] {
  const libpmem = loadLibpmem(root);
  const window = region.view();
  const words = new Float64Array(window.buffer, window.byteOffset, WINDOW / 8);
  const source = Buffer.alloc(2 ** 20, 0xa5);
  const list: Contest[] = [];

  list.push({
    case: 'persist 64 B',
    count: 400,
    ours: timed((start, count) => {
      for (let i = start; i < start + count; i++) {
        const offset = (i * LINE) & MASK;
        words[offset >> 3] = i;
        region.persist(offset, LINE);
      }
    }),
    peers: libpmem ? { libpmem: (start, count) => libpmem.persist(window, source, LINE, start, count) } : {},
  });

  const ranges = Array.from({ length: 16 }, () => ({ offset: 0, length: LINE }));
  list.push({
    case: 'persistAll 16 scattered',
    count: 100,
    ours: timed((start, count) => {
      for (let i = start; i < start + count; i++) {
        for (let k = 0; k < ranges.length; k++) {
          const range = ranges[k] as { offset: number };
          range.offset = ((i * 16 + k) * STRIDE) & MASK;
          words[range.offset >> 3] = i;
        }
        region.persistAll(ranges);
      }
    }),
    peers: libpmem ? { libpmem: (start, count) => libpmem.persistScattered(window, source, LINE, start, count) } : {},
  });

  for (const [bytes, count] of WRITES) {
    const record = source.subarray(0, bytes);
    list.push({
      case: `write ${formatSize(bytes)}`,
      count,
      ours: timed((start, n) => {
        for (let i = start; i < start + n; i++) region.write((i * bytes) & MASK, record, 'persist');
      }),
      peers: libpmem ? { libpmem: (start, n) => libpmem.write(window, source, bytes, start, n) } : {},
    });
  }

  // A new source Buffer each time, so that its address is not cached; and a call that flushes nothing.
  const records = Array.from({ length: 64 }, (_, i) => Buffer.alloc(256, i));
  list.push({
    case: 'write 256 B, another Buffer each time',
    count: 400,
    ours: timed((start, count) => {
      for (let i = start; i < start + count; i++) {
        region.write((i * 256) & MASK, records[i & 63] as Buffer, 'persist');
      }
    }),
    peers: libpmem ? { libpmem: (start, count) => libpmem.write(window, source, 256, start, count) } : {},
  });
  list.push({
    case: 'flush 0 B (the price of a call)',
    count: 4000,
    ours: timed((start, count) => {
      for (let i = start; i < start + count; i++) region.flush((i * LINE) & MASK, 0);
    }),
    peers: {},
  });
  return list;
}

/** Maps a file of 64 MiB in the directory and measures on it. */
export function persistSuite({ directory, root }: SuiteContext, effort: Effort): CaseResult[] {
  const region = Region.open(join(directory, 'persist.pmem'), {
    create: true,
    size: WINDOW,
    assumePersistent: true,
    populate: true,
  });
  try {
    return contests(region, root).map((contest) => measure(contest, effort));
  } finally {
    region.close();
  }
}
