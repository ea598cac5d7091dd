/** What power cuts do to formatting and repairing. */

import assert from 'node:assert/strict';
import type { Memory } from 'pmem';
import { Btt, type BttInfo, type BttReport } from 'pmem/block';
import type { CrashOptions } from 'pmem/testing';
import { check } from '#dist/block/btt/check.js';
import { discover } from '#dist/block/btt/discover.js';
import { runSteps } from '#dist/block/btt/steps.js';
import { type BttWorkload, prepared, sectorOf } from './btt-crash.js';
import { formatSmall, SMALL } from './btt-images.js';
import { codeOf } from './errors.js';

const KIB = 1024;
const CHECK = { repair: false, rewriteLog: false };
const REPAIR = { repair: true, rewriteLog: false };

const OLD: BttWorkload = {
  sectorSize: 512,
  size: 48 * KIB,
  sectors: 8,
  limits: { ...SMALL, largest: 24 * KIB },
  run: () => {},
};

/** Leaves everything that could be left of an older BTT, so that every store of zeroes is needed. */
function dirty(memory: Memory): void {
  memory.fill(0, memory.size, 0xa5);
  prepared(OLD, memory);
  const btt = Btt.open(memory);
  for (let lba = 0; lba < OLD.sectors; lba++) btt.write(lba, sectorOf(lba + 1, lba, OLD.sectorSize));
  btt.close();
}

export const OLD_CONTENTS: Buffer = Buffer.concat(
  Array.from({ length: OLD.sectors }, (_, lba) => sectorOf(lba + 1, lba, OLD.sectorSize)),
);

/** What was found: a BTT and its sectors, or the code of why there is none. */
export type Found = { readonly info: BttInfo; readonly bytes: Buffer; readonly before: BttReport['status'] } | string;

/** Repairs what can be, and reads. */
function contents(memory: Memory): Found {
  let before: BttReport['status'] = 'unsafe';
  const code = codeOf(() => {
    const report = runSteps(check(memory, CHECK, OLD.limits));
    before = report.status;
    // Only info blocks may be missing: what one speaks of is whole wherever it can be found, or restored.
    const lost = report.problems.filter(({ repairable }) => !repairable).map(({ code }) => code);
    assert.deepEqual(
      lost.filter((one) => one !== 'info-lost'),
      [],
    );
    runSteps(check(memory, REPAIR, OLD.limits));
  });
  if (code !== undefined) return code;
  if (before === 'unsafe') {
    // What is not fit to be written to must not be opened, and without looking at its map.
    const open = () => Btt.open(memory, { verify: false }).close();
    assert.match(String(codeOf(open)), /^ERR_PMEM_BTT_(CORRUPT|NOT_FOUND)$/);
    return 'ERR_PMEM_BTT_CORRUPT';
  }
  assert.equal(runSteps(check(memory, CHECK, OLD.limits)).status, 'clean');
  using btt = Btt.open(memory);
  const bytes = Buffer.alloc(OLD.sectors * btt.sectorSize);
  btt.read(0, bytes);
  return { info: btt.info, bytes, before };
}

/** Formats again, with another layout: what is found is the old BTT, or none, or the new one, and never a mixture. */
export const FORMATTING: CrashOptions<Found, undefined> = {
  size: OLD.size,
  setup: dirty,
  workload: (memory, crash) => {
    crash.operation('format', () =>
      formatSmall(memory, { sectorSize: 512, version: '2.0', nfree: 3, force: true }, OLD.limits),
    );
  },
  recover: contents,
  check: (found, { finished }) => {
    if (typeof found === 'string') {
      assert.equal(finished.length, 0, found);
      assert.match(found, /^ERR_PMEM_BTT_(NOT_FOUND|CORRUPT)$/);
    } else if (found.info.version === '1.1') {
      assert.equal(finished.length, 0, 'the old BTT');
      assert.ok(found.bytes.equals(OLD_CONTENTS), 'the old BTT with other contents');
    } else {
      assert.equal(found.info.arenas.length, 2);
      if (finished.length > 0) assert.equal(found.before, 'clean');
    }
  },
};

/** Repairs what was damaged: the contents are the same throughout. */
export function repairing(damage: (memory: Memory) => void): CrashOptions<Found, undefined> {
  return {
    size: OLD.size,
    setup: (memory) => {
      dirty(memory);
      damage(memory);
    },
    workload: (memory, crash) => {
      crash.operation('repair', () => assert.equal(runSteps(check(memory, REPAIR, OLD.limits)).status, 'repaired'));
    },
    recover: (memory) => {
      // A write of each lane takes away what a flog entry could still bring about.
      const found = contents(memory);
      using btt = Btt.open(memory);
      for (let i = 0; i < 6; i++) btt.write(OLD.sectors, sectorOf(9, OLD.sectors, OLD.sectorSize));
      return found;
    },
    check: (found, { finished, duringRecovery }, memory) => {
      assert.ok(typeof found !== 'string', String(found));
      if (finished.length > 0 && duringRecovery === 0) assert.equal(found.before, 'clean');
      assert.ok(found.bytes.equals(OLD_CONTENTS));
      const again = contents(memory);
      assert.ok(typeof again !== 'string' && again.bytes.equals(OLD_CONTENTS));
    },
  };
}

const REWRITE = { repair: true, rewriteLog: true };

/** Has lanes whose newer entry is in each slot with each number; and a flog in slots 0 and 2, if wanted. */
function turned(memory: Memory, second: 1 | 2): void {
  dirty(memory);
  using btt = Btt.open(memory);
  for (let i = 0; i < 7; i++) btt.write(OLD.sectors + (i % 2), sectorOf(i + 1, OLD.sectors, OLD.sectorSize));
  const last = btt.sectorCount - 1;
  for (let i = 0; i < 5; i++) btt.write(last, sectorOf(i + 1, last, OLD.sectorSize));
  btt.close();
  if (second === 1) return;
  for (const { offset, info } of discover(memory, OLD.limits)?.arenas ?? []) {
    for (let lane = 0; lane < info.nfree; lane++) {
      const at = offset + info.flogOffset + 64 * lane;
      for (const half of [0, 8]) {
        memory.store64(at + 32 + half, memory.load64(at + 16 + half));
        memory.store64(at + 16 + half, 0n);
      }
    }
    memory.persist(offset + info.flogOffset, 64 * info.nfree);
  }
}

/** Rewrites the flog: no sector changes, whenever it is interrupted, and however often. */
export function rewriting(second: 1 | 2): CrashOptions<{ found: Found; lanes: number }, undefined> {
  return {
    size: OLD.size,
    setup: (memory) => turned(memory, second),
    workload: (memory, crash) => {
      crash.operation('rewrite', () => {
        const { status, lanesRewritten } = runSteps(check(memory, REWRITE, OLD.limits));
        assert.equal(status, 'clean');
        assert.ok(lanesRewritten > 0);
      });
    },
    recover: (memory) => {
      const found = contents(memory);
      const { lanesRewritten: lanes } = runSteps(check(memory, REWRITE, OLD.limits));
      using btt = Btt.open(memory);
      for (let i = 0; i < 3; i++) btt.write(OLD.sectors, sectorOf(9, OLD.sectors, OLD.sectorSize));
      return { found, lanes };
    },
    check: ({ found, lanes }, { finished, duringRecovery }, memory) => {
      for (const one of [found, contents(memory)]) {
        assert.ok(typeof one !== 'string', String(one));
        assert.ok(one.bytes.equals(OLD_CONTENTS));
      }
      if (duringRecovery > 0) return;
      assert.ok(typeof found !== 'string' && found.before === 'clean');
      if (finished.length > 0) assert.equal(lanes, 0, 'it was not durable');
    },
  };
}

/** Ways to damage a BTT that repair mends. */
export const DAMAGES: Readonly<Record<string, (memory: Memory) => void>> = {
  'info blocks': (memory) => {
    for (const { offset } of discover(memory, OLD.limits)?.arenas ?? []) memory.fill(offset, 64, 0xee, 'persist');
  },
  copies: (memory) => {
    for (const { offset, info } of discover(memory, OLD.limits)?.arenas ?? []) {
      memory.fill(offset + info.infoCopyOffset + 100, 64, 0xee, 'persist');
    }
  },
  'an interrupted write': (memory) => {
    const [arena] = discover(memory, OLD.limits)?.arenas ?? [];
    assert.ok(arena !== undefined);
    // The map as it was before the last write to sector 0.
    const { offset, info } = arena;
    const before = memory.load64(offset + info.mapOffset);
    const btt = Btt.open(memory);
    btt.write(0, sectorOf(1, 0, btt.sectorSize));
    btt.close();
    memory.store64(offset + info.mapOffset, before);
    memory.persist(offset + info.mapOffset, 8);
  },
};
