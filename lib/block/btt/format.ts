/** Makes a BTT. */

import { outOfRange } from '../../errors.js';
import { refuseUnlessBlank } from '../../memory/contents.js';
import type { Memory } from '../../memory/memory.js';
import { readOnlyError } from '../block-errors.js';
import { isReadOnly } from '../memory-facts.js';
import { discover } from './discover.js';
import { claimBtt } from './exclusive.js';
import { newLane } from './flog.js';
import { encodeInfo, hasSignature, type InfoBlock } from './info-block.js';
import { type ArenaLimits, arenaExtents, FLOG_LANE, LIMITS, PAGE, planArena, START } from './layout.js';
import { checkLines } from './lines.js';
import { tryRead } from './media.js';
import type { CheckedFormat } from './options.js';
import type { Steps } from './steps.js';

/** Bytes of the map cleared in one step. */
const STEP = 8 * 2 ** 20;

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
    throw outOfRange('memory.size', `at least ${start + limits.smallest}, the size of the smallest BTT,`, memory.size);
  }
  return extents.map(({ offset, size }, i) => {
    const layout = planArena(size, sectorSize, nfree, i + 1 < extents.length ? size : 0);
    if (layout === undefined) {
      throw outOfRange('options.nfree', `small enough that an arena of ${size} bytes has a sector`, nfree);
    }
    return { offset, info: { ...layout, version, uuid, parentUuid, inErrorState: false } };
  });
}

/**
 * Once the map is changed, no older BTT may be found or restored: wipes all its info blocks. Until the wipe is durable, the old BTT
 * lacks info blocks, and is whole otherwise.
 */
function wipe(memory: Memory, limits: ArenaLimits): void {
  const old = discover(memory, limits)?.arenas ?? [];
  for (const { offset, info } of old) {
    memory.fill(offset, PAGE, 0, 'flush');
    memory.fill(offset + info.infoCopyOffset, PAGE, 0, 'flush');
  }
  // Damaged info blocks, and those of an older format with the other layout.
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

/** Refuses memory that must not be formatted; stores nothing. */
function refuseFormat(memory: Memory, { force }: CheckedFormat): void {
  // Where nothing can be made durable, this throws and says why, before anything is lost.
  if (memory.durability.volatile) memory.drain();
  if (!force) refuseUnlessBlank('format', 'the memory', memory);
}

/**
 * Formats in steps. A power cut before the end leaves no BTT, or all of it, or one whose info blocks have to be restored: they and
 * their copies are stored last, once everything that they describe is durable.
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
      for (let at = info.mapOffset; at < info.flogOffset; at += STEP) {
        const length = Math.min(STEP, info.flogOffset - at);
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
