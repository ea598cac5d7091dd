/** Makes a BTT. */

import { outOfRange } from '../../errors.js';
import { refuseUnlessBlank } from '../../memory/contents.js';
import type { Memory } from '../../memory/memory.js';
import { isReadOnly } from '../arguments.js';
import { readOnlyError } from '../block-errors.js';
import { discover } from './discover.js';
import { claimBtt } from './exclusive.js';
import { newLane } from './flog.js';
import { encodeInfo, hasSignature, type InfoBlock } from './info-block.js';
import { type ArenaLimits, arenaExtents, FLOG_LANE, LIMITS, PAGE, planArena, START } from './layout.js';
import { checkLines } from './lines.js';
import { tryRead } from './media.js';
import type { CheckedFormat } from './options.js';
import type { Steps } from './steps.js';

/** Cleared at a time. */
const PIECE = 8 * 2 ** 20;

interface Plan {
  readonly offset: number;
  readonly info: InfoBlock;
}

/** The arenas to make (create_arenas, drivers/nvdimm/btt.c). */
function plan(memory: Memory, options: CheckedFormat, limits: ArenaLimits): Plan[] {
  const { version, sectorSize, nfree, uuid, parentUuid } = options;
  const start = START[version];
  const extents = arenaExtents(memory.size, start, limits);
  if (extents.length === 0) {
    throw outOfRange('memory.size', `at least ${start + limits.smallest}, which is the smallest BTT,`, memory.size);
  }
  return extents.map(({ offset, size }, i) => {
    const layout = planArena(size, sectorSize, nfree, i + 1 < extents.length ? size : 0);
    if (layout === undefined) {
      throw outOfRange('options.nfree', `few enough for an arena of ${size} bytes to have a sector`, nfree);
    }
    return { offset, info: { ...layout, version, uuid, parentUuid, inErrorState: false } };
  });
}

/**
 * Nothing of an older BTT may be found, or restored, once its map is changed. Until all of it is durable the old BTT is whole but
 * for info blocks, or lost.
 */
function wipe(memory: Memory, limits: ArenaLimits): void {
  const old = discover(memory, limits)?.arenas ?? [];
  for (const { offset, info } of old) {
    memory.fill(offset, PAGE, 0, 'flush');
    memory.fill(offset + info.infoCopyOffset, PAGE, 0, 'flush');
  }
  // And what is damaged, or was left by an older format with the other layout.
  for (const start of Object.values(START)) {
    const block = tryRead(memory, start, PAGE);
    if (block !== undefined && hasSignature(block)) memory.fill(start, PAGE, 0, 'flush');
  }
  memory.drain();
}

function writeFlog(memory: Memory, { offset, info }: Plan): void {
  const flog = Buffer.alloc(info.infoCopyOffset - info.flogOffset);
  for (let lane = 0; lane < info.nfree; lane++) {
    newLane(flog.subarray(0, info.nfree * FLOG_LANE), lane, info.sectorCount + lane, lane % info.sectorCount);
  }
  memory.write(offset + info.flogOffset, flog, 'flush');
}

/** Refuses what must not be formatted; stores nothing. */
function refuseFormat(memory: Memory, { force }: CheckedFormat): void {
  // Where nothing can be made durable this throws, and says why: before anything is gone, not halfway.
  if (memory.durability.volatile) memory.drain();
  if (!force) refuseUnlessBlank('format', 'the memory', memory);
}

/**
 * Formats in pieces. A power cut before the end leaves no BTT, or all of it, or one whose info blocks have to be restored: they and
 * their copies are stored last, once all that they speak of is durable.
 */
export function* format(memory: Memory, options: CheckedFormat, limits: ArenaLimits = LIMITS): Steps<void> {
  const arenas = plan(memory, options, limits);
  if (isReadOnly(memory)) throw readOnlyError('format', 'the memory');
  checkLines('format', memory);
  const claim = claimBtt('format', memory, true);
  try {
    refuseFormat(memory, options);
    yield* formatted(memory, options, arenas, limits);
  } finally {
    claim.end();
  }
}

function* formatted(memory: Memory, options: CheckedFormat, arenas: Plan[], limits: ArenaLimits): Steps<void> {
  wipe(memory, limits);
  const total = arenas.reduce((sum, { info }) => sum + info.flogOffset - info.mapOffset, 0);
  let done = 0;
  for (const arena of arenas) {
    const { offset, info } = arena;
    if (!options.zeroed) {
      for (let at = info.mapOffset; at < info.flogOffset; at += PIECE) {
        const length = Math.min(PIECE, info.flogOffset - at);
        memory.fill(offset + at, length, 0, 'flush');
        done += length;
        yield { done, total };
      }
    }
    writeFlog(memory, arena);
  }
  memory.drain();
  for (const { offset, info } of arenas) {
    memory.write(offset + info.infoCopyOffset, encodeInfo(info), 'flush');
    memory.write(offset, encodeInfo(info), 'flush');
  }
  memory.drain();
}
