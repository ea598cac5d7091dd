/** Finds the arenas by their info blocks, or by what is left of them. */

import type { Memory } from '../../memory/memory.js';
import { hasSignature, type InfoBlock, parseInfo } from './info-block.js';
import { type ArenaLimits, arenaExtents, arenaSize, type BttVersion, LIMITS, PAGE, START } from './layout.js';
import { tryRead } from './media.js';
import { type BttProblem, problem } from './problems.js';

/** An arena and where it is. */
export interface FoundArena {
  readonly index: number;
  /** Of the arena in the memory, in bytes. */
  readonly offset: number;
  readonly info: InfoBlock;
  /** The bytes of its info block, or of the copy that it is to be restored from. */
  readonly block: Buffer;
}

/** What there is. Arenas behind one that is lost are not found. */
export interface Discovery {
  readonly version: BttVersion;
  readonly arenas: readonly FoundArena[];
  readonly problems: readonly BttProblem[];
}

type Candidate = { readonly info: InfoBlock; readonly block: Buffer };

const VERSIONS: readonly BttVersion[] = ['1.1', '2.0'];

function infoAt(memory: Memory, at: number, room: number, version: BttVersion): Candidate | { readonly why: string } {
  const block = tryRead(memory, at, PAGE);
  if (block === undefined) return { why: 'it cannot be read' };
  const parsed = parseInfo(block, room);
  if (!('info' in parsed)) return parsed;
  if (parsed.info.version !== version) return { why: `version ${parsed.info.version} does not belong at this place` };
  return { info: parsed.info, block };
}

/** Whether an info block was once stored there, sound or not. */
function leftAt(memory: Memory, at: number): boolean {
  const block = tryRead(memory, at, PAGE);
  return block !== undefined && hasSignature(block);
}

/**
 * The copy of an arena's info block, where it can be: at the end that an arena has which is as large as can be; where the
 * damaged block says. It must say of itself that it is there.
 */
function copyOf(memory: Memory, offset: number, version: BttVersion, limits: ArenaLimits): Candidate | undefined {
  const room = memory.size - offset;
  const size = Math.min(room, limits.largest);
  const places = [offset + size - (size % PAGE) - PAGE];
  const damaged = tryRead(memory, offset, PAGE);
  if (damaged !== undefined) places.push(offset + Number(damaged.readBigUInt64LE(112)));
  for (const at of places) {
    if (!Number.isSafeInteger(at) || at <= offset) continue;
    const found = infoAt(memory, at, room, version);
    if ('info' in found && offset + found.info.infoCopyOffset === at) return found;
  }
  return undefined;
}

/**
 * The first arena's info block made from the damaged one and the last arena's copy, which has the same in all fields but
 * those that are the arena's own. Only if the checksum of the damaged one then is right.
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

/** The first arena, and which layout it has. */
interface First extends Candidate {
  readonly version: BttVersion;
  readonly isCopy: boolean;
}

function first(memory: Memory, limits: ArenaLimits): First | undefined {
  const sound: First[] = [];
  for (const version of VERSIONS) {
    const found = infoAt(memory, START[version], memory.size - START[version], version);
    if ('info' in found) sound.push({ ...found, version, isCopy: false });
  }
  // An older format is left at its place by a newer one with the other layout, but its copy is overwritten.
  const owner = sound.find(({ info, version }) => {
    const copy = infoAt(memory, START[version] + info.infoCopyOffset, memory.size - START[version], version);
    return 'info' in copy && copy.info.uuid === info.uuid;
  });
  const whole = owner ?? sound[0];
  if (whole !== undefined) return whole;
  for (const version of VERSIONS) {
    const at = START[version];
    const found = copyOf(memory, at, version, limits) ?? patched(memory, at, version, limits);
    if (found !== undefined) return { ...found, version, isCopy: true };
  }
  return undefined;
}

/** What an arena's info block says that the first one's does not. */
function mismatch(info: InfoBlock, { uuid, sectorSize }: InfoBlock): string | undefined {
  if (info.uuid !== uuid) return `UUID ${info.uuid} is not that of the first arena, ${uuid}`;
  if (info.sectorSize !== sectorSize)
    return `sectors of ${info.sectorSize} bytes, where the first arena has ${sectorSize}`;
  return undefined;
}

/**
 * Finds all arenas. Reads info blocks and nothing else, and stores nothing.
 *
 * @returns `undefined` when nothing says that there ever was a BTT
 */
export function discover(memory: Memory, limits: ArenaLimits = LIMITS): Discovery | undefined {
  const start = first(memory, limits);
  if (start === undefined) {
    const left = VERSIONS.find((version) => leftAt(memory, START[version]));
    if (left === undefined) return undefined;
    const found = infoAt(memory, START[left], memory.size - START[left], left);
    const why = 'why' in found ? found.why : '';
    const lost = problem(
      'info-lost',
      0,
      `the info block at ${START[left]} is of no use (${why}), and no copy was found`,
    );
    return { version: left, arenas: [], problems: [lost] };
  }
  const { version } = start;
  const arenas: FoundArena[] = [];
  const problems: BttProblem[] = [];
  let offset = START[version];
  let next: (Candidate & { isCopy: boolean }) | undefined = start;
  for (let index = 0; ; index++) {
    if (next === undefined) {
      const found = infoAt(memory, offset, memory.size - offset, version);
      if ('info' in found) {
        next = { ...found, isCopy: false };
      } else {
        const copy = copyOf(memory, offset, version, limits);
        if (copy === undefined) {
          const detail = `the info block at ${offset} is of no use (${found.why}), nor is its copy`;
          problems.push(problem('info-lost', index, detail));
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
