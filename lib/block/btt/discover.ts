/** Finds the arenas by their info blocks, or by their copies. */

import type { Memory } from '../../memory/memory.js';
import { hasSignature, type InfoBlock, type ParsedInfo, parseInfo } from './info-block.js';
import { type ArenaLimits, arenaExtents, arenaSize, type BttVersion, LIMITS, PAGE, START, VERSIONS } from './layout.js';
import { tryRead } from './media.js';
import { type BttProblem, problem } from './problems.js';

/** An arena and its place. */
export interface FoundArena {
  readonly index: number;
  /** Where the arena begins in the memory, in bytes. */
  readonly offset: number;
  readonly info: InfoBlock;
  /** The bytes of its info block, or of the copy that it is to be restored from. */
  readonly block: Buffer;
}

/** What was found. Arenas after a lost one are not found. */
export interface Discovery {
  readonly version: BttVersion;
  readonly arenas: readonly FoundArena[];
  readonly problems: readonly BttProblem[];
}

type Candidate = { readonly info: InfoBlock; readonly block: Buffer };

type NoInfo = Extract<ParsedInfo, { why: string }>;

function infoAt(memory: Memory, at: number, room: number, version: BttVersion): Candidate | NoInfo {
  const block = tryRead(memory, at, PAGE);
  if (block === undefined) return { why: 'it cannot be read', sound: false };
  const parsed = parseInfo(block, room);
  if (!('info' in parsed)) return parsed;
  if (parsed.info.version !== version) {
    return { why: `version ${parsed.info.version} does not belong at this place`, sound: true };
  }
  return { info: parsed.info, block };
}

/** The problem of an info block that is useless, and has no copy. */
function useless(index: number, offset: number, { why, sound }: NoInfo): BttProblem {
  const what = sound ? 'is intact, but makes no sense' : 'is damaged';
  const detail = `the info block at ${offset} ${what} (${why}), and no usable copy was found`;
  return problem(sound ? 'info-inconsistent' : 'info-lost', index, detail);
}

/** Whether an info block was stored there, sound or not. */
function leftAt(memory: Memory, at: number): boolean {
  const block = tryRead(memory, at, PAGE);
  return block !== undefined && hasSignature(block);
}

/**
 * The copy of an arena's info block: at the end of the largest arena that fits, or where the damaged block says. The copy
 * itself must name this place.
 */
function copyOf(memory: Memory, offset: number, version: BttVersion, limits: ArenaLimits): Candidate | undefined {
  const found = copyAt(memory, offset, endOf(memory, offset, limits), version);
  if (found !== undefined) return found;
  const damaged = tryRead(memory, offset, PAGE);
  return damaged && copyAt(memory, offset, offset + Number(damaged.readBigUInt64LE(112)), version);
}

/** Where the copy is of the largest arena that fits at `offset`. */
function endOf(memory: Memory, offset: number, limits: ArenaLimits): number {
  const size = Math.min(memory.size - offset, limits.largest);
  return offset + size - (size % PAGE) - PAGE;
}

function copyAt(memory: Memory, offset: number, at: number, version: BttVersion): Candidate | undefined {
  if (!Number.isSafeInteger(at) || at <= offset) return undefined;
  const found = infoAt(memory, at, memory.size - offset, version);
  return 'info' in found && offset + found.info.infoCopyOffset === at ? found : undefined;
}

/** The copy of the largest first arena that fits. */
function copyAtEnd(memory: Memory, version: BttVersion, limits: ArenaLimits): Candidate | undefined {
  const offset = START[version];
  return copyAt(memory, offset, endOf(memory, offset, limits), version);
}

/**
 * The first arena's info block, made from the damaged one and the last arena's copy: fields that differ by arena from the former,
 * all others from the latter. Only if the damaged one's checksum is right for the result.
 */
function patched(memory: Memory, offset: number, version: BttVersion, limits: ArenaLimits): Candidate | undefined {
  const damaged = tryRead(memory, offset, PAGE);
  const last = arenaExtents(memory.size, offset, limits).at(-1);
  if (damaged === undefined || last === undefined || last.offset === offset) return undefined;
  const copy = tryRead(memory, last.offset + last.size - (last.size % PAGE) - PAGE, PAGE);
  if (copy === undefined) return undefined;
  // Flags; sectors; blocks; the five offsets; the checksum.
  for (const [from, to] of [
    [48, 52],
    [60, 64],
    [68, 72],
    [80, 120],
    [4088, 4096],
  ] as const) {
    damaged.copy(copy, from, from, to);
  }
  const parsed = parseInfo(copy, memory.size - offset);
  return 'info' in parsed && parsed.info.version === version ? { info: parsed.info, block: copy } : undefined;
}

/** The first arena, and its layout. */
interface First extends Candidate {
  readonly version: BttVersion;
  readonly isCopy: boolean;
  /** Why it may belong to another BTT than the one that was in use. */
  readonly doubt?: string;
}

/** The sound info block, of any BTT, at the place of this one's copy. */
function atPlaceOfCopy(memory: Memory, { info, version }: First): InfoBlock | undefined {
  const block = tryRead(memory, START[version] + info.infoCopyOffset, PAGE);
  if (block === undefined) return undefined;
  // Where its arena begins is unknown: it may use all of the memory.
  const parsed = parseInfo(block, memory.size);
  return 'info' in parsed ? parsed.info : undefined;
}

/**
 * Which of the info blocks at the two places is the BTT's. A newer format overwrites the copy of an older one, because both
 * copies are at the memory's end, and leaves the info block of the older one alone where that has the other layout.
 */
function choose(memory: Memory, limits: ArenaLimits, sound: readonly First[]): First | undefined {
  const copies = new Map(sound.map((one) => [one, atPlaceOfCopy(memory, one)]));
  const owners = sound.filter((one) => {
    const copy = copies.get(one);
    return copy?.uuid === one.info.uuid && copy.version === one.version;
  });
  // In layout 2.0 the place of a 1.1 info block holds a sector, which can have any contents. In layout 1.1 nothing uses the place of a
  // 2.0 info block.
  const owner = owners.find(({ version }) => version === '2.0') ?? owners[0];
  if (owner?.version === '2.0') return owner;
  if (owner !== undefined) {
    const copy = copyAtEnd(memory, '2.0', limits);
    if (copy === undefined) return owner;
    return { ...owner, doubt: `at the end is the copy of another BTT, version 2.0, with UUID ${copy.info.uuid}` };
  }
  const [one, second] = sound;
  if (one === undefined) return undefined;
  if (second !== undefined)
    return { ...one, doubt: 'another one with the other layout is there too, and neither has its copy' };
  const copy = copies.get(one);
  if (copy === undefined) return one;
  const { version } = copy;
  if (version !== one.version) {
    const found = copyOf(memory, START[version], version, limits);
    if (found?.info.uuid === copy.uuid) return { ...found, version, isCopy: true };
  }
  return {
    ...one,
    doubt: `where its copy should be is that of another BTT, version ${version}, with UUID ${copy.uuid}`,
  };
}

function first(memory: Memory, limits: ArenaLimits): First | undefined {
  const sound: First[] = [];
  for (const version of VERSIONS) {
    const found = infoAt(memory, START[version], memory.size - START[version], version);
    if ('info' in found) sound.push({ ...found, version, isCopy: false });
  }
  const chosen = choose(memory, limits, sound);
  if (chosen !== undefined) return chosen;
  for (const version of VERSIONS) {
    const at = START[version];
    const found = copyOf(memory, at, version, limits) ?? patched(memory, at, version, limits);
    if (found !== undefined) return { ...found, version, isCopy: true };
  }
  return undefined;
}

/** How an arena's info block contradicts the first one's. */
function mismatch(info: InfoBlock, { uuid, sectorSize }: InfoBlock): string | undefined {
  if (info.uuid !== uuid) return `UUID ${info.uuid} is not that of the first arena, ${uuid}`;
  if (info.sectorSize !== sectorSize)
    return `sectors of ${info.sectorSize} bytes, where the first arena has ${sectorSize}`;
  return undefined;
}

/**
 * Finds all arenas. Reads only info blocks, and stores nothing.
 *
 * @returns undefined where nothing shows that there ever was a BTT
 */
export function discover(memory: Memory, limits: ArenaLimits = LIMITS): Discovery | undefined {
  const start = first(memory, limits);
  if (start === undefined) {
    const left = VERSIONS.find((version) => leftAt(memory, START[version]));
    if (left === undefined) return undefined;
    const found = infoAt(memory, START[left], memory.size - START[left], left);
    const problems = 'why' in found ? [useless(0, START[left], found)] : [];
    return { version: left, arenas: [], problems };
  }
  const { version } = start;
  const arenas: FoundArena[] = [];
  const problems: BttProblem[] = [];
  let offset = START[version];
  let next: (Candidate & { isCopy: boolean }) | undefined = start;
  if (start.doubt !== undefined) {
    problems.push(problem('info-inconsistent', 0, `the info block at ${offset}: ${start.doubt}`));
  }
  for (let index = 0; ; index++) {
    if (next === undefined) {
      const found = infoAt(memory, offset, memory.size - offset, version);
      if ('info' in found) {
        next = { ...found, isCopy: false };
      } else {
        const copy = copyOf(memory, offset, version, limits);
        if (copy === undefined) {
          problems.push(useless(index, offset, found));
          break;
        }
        next = { ...copy, isCopy: true };
      }
    }
    const { info, block, isCopy } = next;
    const differs = index === 0 ? undefined : mismatch(info, start.info);
    if (differs !== undefined) {
      problems.push(problem('info-inconsistent', index, `the info block at ${offset}: ${differs}`));
      break;
    }
    if (isCopy)
      problems.push(problem('info-missing', index, `the info block at ${offset} is damaged, its copy is sound`));
    if (info.inErrorState) problems.push(problem('info-error-flag', index, 'its info block has the error flag set'));
    arenas.push({ index, offset, info, block });
    if (info.nextOffset === 0) break;
    offset += arenaSize(info);
    next = undefined;
  }
  return { version, arenas, problems };
}
