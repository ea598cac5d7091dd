/** Suite `open`: a region's cost does not depend on its size. */

import { join } from 'node:path';
import { Region } from 'pmem';
import { type CaseResult, type Effort, measure, timed } from './measure.js';
import type { SuiteContext } from './run.js';

const TIB = 2 ** 40;

/** Bytes of memory of this process that are resident now. */
function resident(): number {
  return process.memoryUsage.rss();
}

function openViewClose(path: string): void {
  const region = Region.open(path, { readOnly: true });
  if (region.view(TIB - 4096, 4096)[4095] !== 0) throw new Error('the far end does not read as zeroes');
  region.close();
}

/** Opens a sparse file of 1 TiB, looks at its far end and closes it: first once cold, then repeatedly. */
export function openSuite({ directory }: SuiteContext, effort: Effort): CaseResult[] {
  const path = join(directory, 'sparse.pmem');
  Region.open(path, { create: true, sparse: true, size: TIB }).close();
  const before = resident();
  const run = timed((_, count) => {
    for (let i = 0; i < count; i++) openViewClose(path);
  });
  const first = run(0, 1);
  const name = 'open, view the far end, close 1 TiB';
  const cold = { median_ns: first, p99_ns: first };
  const extra = resident() - before;
  const warm = measure({ case: name, count: 1, ours: run, peers: {} }, { ...effort, batches: 3 });
  process.stdout.write(
    `1 TiB, first time: ${(first / 1e6).toFixed(2)} ms and ${(extra / 2 ** 20).toFixed(2)} MiB of extra memory; ` +
      `after all repetitions ${((resident() - before) / 2 ** 20).toFixed(2)} MiB\n`,
  );
  return [{ case: `${name}, first time`, ours: cold, peers: {}, ratio: {} }, warm];
}
