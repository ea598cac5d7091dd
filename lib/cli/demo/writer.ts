/**
 * The process that is killed: `node writer.js PATH ROUND MOST [assume]`. Continues after the last good record, persists each
 * record, and only then acknowledges its number on descriptor 3, as 8 bytes. The write is synchronous: the acknowledgement is on
 * its way to the parent before the next record begins. After MOST records the writer waits to be killed, so that a slow parent
 * does not let it fill the file.
 */

import { readSync, writeSync } from 'node:fs';
import { Region } from '../../memory/region/region.js';
import { capacity, makeRecord, place, RECORD_SIZE, scan } from './record.js';

const ACKNOWLEDGEMENTS = 3;

const [path = '', round = '0', most = '0', assume] = process.argv.slice(2);
const region = Region.open(path, assume === 'assume' ? { assumePersistent: true } : {});
const view = region.view();
const acknowledgement = Buffer.alloc(8);
const { good } = scan(region);
const last = Math.min(good + Number(most), capacity(region.size));

for (let number = good + 1; number <= last; number++) {
  makeRecord(region, view, number, Number(round));
  region.persist(place(number), RECORD_SIZE);
  acknowledgement.writeBigUInt64LE(BigInt(number));
  writeSync(ACKNOWLEDGEMENTS, acknowledgement);
}
// The parent sends nothing: this returns when the parent has died without killing this process.
readSync(ACKNOWLEDGEMENTS, acknowledgement);
