/** A BTT that does things in the wrong order, which the crash explorer must notice. */

import type { Memory } from 'pmem';
import { Btt } from 'pmem/block';
import { Arena } from '#dist/block/btt/arena.js';
import { discover } from '#dist/block/btt/discover.js';
import { readFlog } from '#dist/block/btt/flog-check.js';
import { Lanes } from '#dist/block/btt/lanes.js';
import { blockOf, half, loadEntry, NORMAL, storeEntry, word } from '#dist/block/btt/map.js';

export const FAULTS = ['map before flog', 'flog before data', 'sequence first', 'in place'] as const;

/** Opens as a correct one does, and writes wrongly. One arena; single sectors. */
export function brokenBtt(memory: Memory, fault: (typeof FAULTS)[number]) {
  Btt.open(memory).close();
  const found = discover(memory)?.arenas[0];
  if (found === undefined) throw new Error('no arena');
  const { info, offset } = found;
  const map = offset + info.mapOffset;
  const findings = readFlog(memory, found);
  const lanes = new Lanes(findings.lanes, findings.second, offset + info.flogOffset);
  // What it writes, it reads as it should.
  const arena = new Arena(memory, found, findings);
  const dataOf = (block: number) => offset + info.dataOffset + block * info.blockSize;

  const flogSteps = (lane: number, sector: number, old: number): (() => void)[] => {
    const at = lanes.entryOffset(lane);
    return [
      () => {
        half[0] = sector;
        half[1] = old;
        memory.store64(at, word[0] as bigint);
      },
      () => {
        half[0] = lanes.freeBlock(lane);
        half[1] = lanes.sequence(lane);
        memory.store64(at + 8, word[0] as bigint);
      },
    ];
  };
  const write = (sector: number, bytes: Uint8Array) => {
    const old = blockOf(loadEntry(memory, map, sector), sector);
    if (fault === 'in place') {
      memory.write(dataOf(old), bytes, 'persist');
      return;
    }
    const lane = lanes.next();
    const block = lanes.freeBlock(lane);
    const data = () => memory.write(dataOf(block), bytes, 'persist');
    const change = () => {
      storeEntry(memory, map, sector, (block | NORMAL) >>> 0);
      memory.drain();
    };
    const [first, second] = flogSteps(lane, sector, old) as [() => void, () => void];
    const flog = () => {
      for (const step of fault === 'sequence first' ? [second, first] : [first, second]) step();
      memory.persist(lanes.entryOffset(lane), 16);
    };
    const orders = {
      'map before flog': [data, change, flog],
      'flog before data': [flog, data, change],
      'sequence first': [data, flog, change],
    };
    for (const step of orders[fault]) step();
    lanes.swap(lane, old, false);
  };
  const unused = (): never => {
    throw new Error('the workload does not do this');
  };
  return {
    sectorSize: info.sectorSize,
    read: (lba: number, target: Uint8Array) => arena.read(lba, target.length / info.sectorSize, target, 0),
    write,
    writeZeroes: unused,
    discard: unused,
    flush: () => memory.drain(),
    close: () => {},
  };
}
