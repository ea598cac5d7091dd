/**
 * The process that gets killed: `node writer.js PATH ROUND [assume]`. Continues after the last good record, persists each
 * record, and only then acknowledges its number on descriptor 3, as 8 bytes. The write is synchronous, so that an
 * acknowledgement is on its way to the parent, whatever happens next, before another record is begun.
 */

import { writeSync } from 'node:fs';
import { Region } from '../../memory/region.js';
import { capacity, makeRecord, place, RECORD_SIZE, scan } from './record.js';

const ACKNOWLEDGEMENTS = 3;

const [path = '', round = '0', assume] = process.argv.slice(2);
const region = Region.open(path, assume === 'assume' ? { assumePersistent: true } : {});
const view = region.view();
const acknowledgement = Buffer.alloc(8);
const most = capacity(region.size);

for (let number = scan(region).good + 1; number <= most; number++) {
  makeRecord(region, view, number, Number(round));
  region.persist(place(number), RECORD_SIZE);
  acknowledgement.writeBigUInt64LE(BigInt(number));
  writeSync(ACKNOWLEDGEMENTS, acknowledgement);
}
region.close();
