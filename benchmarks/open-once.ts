/** A program that opens a region, reads its end and closes it. Prints the cost as JSON. */

import { Region } from 'pmem';
import { timed } from './measure.js';

/** The cost in one process. */
export interface OpenOnce {
  /** Nanoseconds. */
  elapsed: number;
  /** Bytes of resident memory that the open region added. */
  memory: number;
}

/** Maps the whole file, reads its last page and unmaps it. */
function openViewClose(path: string, whileOpen: () => void): void {
  const region = Region.open(path, { readOnly: true });
  if (region.view(region.size - 4096, 4096)[4095] !== 0) throw new Error('the far end does not read as zeroes');
  whileOpen();
  region.close();
}

const [, , path = ''] = process.argv;
const before = process.memoryUsage.rss();
let memory = 0;
const elapsed = timed(() =>
  openViewClose(path, () => {
    memory = process.memoryUsage.rss() - before;
  }),
)(0, 1);
process.stdout.write(JSON.stringify({ elapsed, memory } satisfies OpenOnce));
