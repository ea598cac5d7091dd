/**
 * Runs in the guest: checks that every acknowledged record is there, then writes more until it is killed.
 * Arguments: the number of acknowledged records, and the names of the targets. Prints `checked N` or `lost …`, then
 * `acknowledged I` when record I is durable in all of them.
 */

import { writeFileSync, writeSync } from 'node:fs';
import { Region } from 'pmem';
import { Random } from '../../support/random.js';
import { TARGETS, type Target } from './targets.js';

/** The distance of records, so that each has its own block in a sparse file. */
const STRIDE = 4096;
const BYTES = 56;
/** More acknowledgements than fit into the queue of the virtio port. */
const ON_THEIR_WAY = 256;

function payload(record: number): Buffer {
  return new Random(record + 1).bytes(BYTES);
}

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

function open({ path, options }: Target): Region {
  return Region.open(path, options);
}

/** The number of records that fit. The next one replaces the oldest. */
function slots(region: Region): number {
  return region.size / STRIDE;
}

/** The number is stored last, and makes the record count. */
function append(region: Region, record: number): void {
  const offset = (record % slots(region)) * STRIDE;
  region.write(offset + 8, payload(record), 'persist');
  region.store64(offset, BigInt(record + 1));
  region.persist(offset, 8);
}

function isThere(region: Region, record: number): boolean {
  const offset = (record % slots(region)) * STRIDE;
  const found = Buffer.alloc(BYTES);
  region.read(offset + 8, found);
  return region.load64(offset) === BigInt(record + 1) && found.equals(payload(record));
}

// The page cache must not be written back before the kill.
writeFileSync('/proc/sys/vm/dirty_writeback_centisecs', '0');

const acknowledged = Number(process.argv[2]);
const targets = process.argv.slice(3).map((name) => TARGETS[name as keyof typeof TARGETS]);
const regions = targets.map(open);
const lost = targets.flatMap(({ path }, i) => {
  const missing: string[] = [];
  const region = regions[i] as Region;
  // Acknowledgements on their way to the host were lost with the guest. So more records than acknowledged may have replaced the oldest.
  for (let record = Math.max(0, acknowledged + ON_THEIR_WAY - slots(region)); record < acknowledged; record++) {
    if (!isThere(region, record)) missing.push(`${record} of ${path}`);
  }
  return missing;
});
say(lost.length === 0 ? `checked ${acknowledged}` : `lost ${lost.length}: ${lost.slice(0, 5).join(', ')}`);
for (let record = acknowledged; ; record++) {
  for (const region of regions) append(region, record);
  say(`acknowledged ${record}`);
}
