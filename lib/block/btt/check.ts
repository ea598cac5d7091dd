/** Finds all damage of a BTT: what ndctl check-namespace looks for, and a little more. */

import type { Memory } from '../../memory/memory.js';
import { readOnlyError } from '../block-errors.js';
import { isReadOnly } from '../memory-facts.js';
import { type Discovery, discover, type FoundArena } from './discover.js';
import { claimBtt } from './exclusive.js';
import { Findings, type FlogFindings, readFlog } from './flog-check.js';
import { type ArenaLimits, type BttVersion, LIMITS, MAP_ENTRY, PAGE } from './layout.js';
import { checkLines } from './lines.js';
import { blockOf } from './map.js';
import { tryRead } from './media.js';
import type { CheckedCheck } from './options.js';
import { type BttProblem, isDangerous, notFound, problem } from './problems.js';
import { repair } from './repair.js';
import { rewriteLogs } from './rewrite-log.js';
import type { Steps } from './steps.js';

/** What `Btt.check` found. */
export interface BttReport {
  readonly version: BttVersion;
  /** The number of arenas that were found. */
  readonly arenas: number;
  readonly problems: readonly BttProblem[];
  /**
   * - `clean`: nothing is wrong.
   * - `repaired`: all damage was repaired.
   * - `repairable`: all damage can be repaired.
   * - `unsafe`: some damage cannot be repaired. Nothing was stored, and nothing should be.
   */
  readonly status: 'clean' | 'repaired' | 'repairable' | 'unsafe';
  /** Whether a writable `Btt.open` is safe: it completes `flog-map` itself and does not need `info-copy`. */
  readonly safeToWrite: boolean;
  /** Lanes of the flog that `rewriteLog` rewrote. */
  readonly lanesRewritten: number;
}

/** Map entries checked in one step. */
const STEP = 2 ** 20;

/** A bit for each block. */
class Bitmap {
  readonly #bits: Uint32Array;

  constructor(count: number) {
    this.#bits = new Uint32Array(Math.ceil(count / 32));
  }

  /** Sets a bit; returns whether it was set already. */
  set(index: number): boolean {
    const at = index >>> 5;
    const mask = 1 << (index & 31);
    const before = this.#bits[at] as number;
    this.#bits[at] = before | mask;
    return (before & mask) !== 0;
  }

  has(index: number): boolean {
    return ((this.#bits[index >>> 5] as number) & (1 << (index & 31))) !== 0;
  }
}

/** Checks the map of an arena: bounds, and each block exactly once (btt_check_bitmap, ndctl). */
function* checkMap(
  memory: Memory,
  { index, offset, info }: FoundArena,
  flog: FlogFindings,
  done: number,
  total: number,
): Steps<BttProblem[]> {
  const { sectorCount, blockCount, mapOffset } = info;
  const findings = new Findings(index);
  const seen = new Bitmap(blockCount);
  const pending = new Map(flog.pending.map(({ sector, block }) => [sector, block]));
  let used = 0;
  const use = (block: number, owner: () => string): void => {
    if (seen.set(block)) findings.add('block-twice', () => `block ${block}, which is that of ${owner()} and another`);
    else used++;
  };
  for (const [lane, { oldBlock }] of flog.lanes.entries()) use(oldBlock, () => `lane ${lane}`);
  for (let first = 0; first < sectorCount; first += STEP) {
    const count = Math.min(STEP, sectorCount - first);
    const bytes = tryRead(memory, offset + mapOffset + first * MAP_ENTRY, count * MAP_ENTRY);
    if (bytes === undefined) {
      findings.add('media', () => `the map of sectors ${first} to ${first + count - 1} cannot be read`);
      return findings.problems;
    }
    for (let i = 0; i < count; i++) {
      const sector = first + i;
      const block = pending.get(sector) ?? blockOf(bytes.readUInt32LE(i * MAP_ENTRY), sector);
      if (block < blockCount) use(block, () => `sector ${sector}`);
      else findings.add('map-bounds', () => `sector ${sector} names block ${block} of ${blockCount}`);
    }
    yield { done: done + (first + count) * MAP_ENTRY, total };
  }
  // Without the lanes' blocks, every free block would look lost.
  if (flog.lanes.length > 0 && used < blockCount) {
    for (let block = 0; block < blockCount; block++) {
      if (!seen.has(block)) findings.add('block-lost', () => `block ${block}`);
    }
  }
  return findings.problems;
}

function checkCopy(memory: Memory, { index, offset, info, block }: FoundArena): BttProblem | undefined {
  const at = offset + info.infoCopyOffset;
  if (tryRead(memory, at, PAGE)?.equals(block) === true) return undefined;
  return problem('info-copy', index, `the copy of the info block at ${at} is not the same as the info block`);
}

/** Where the checks of flog and map found the same kind of problem, the one with more cases. */
function merged(problems: readonly BttProblem[]): BttProblem[] {
  const kept = new Map<string, BttProblem>();
  for (const one of problems) {
    const key = `${one.code} ${one.arena}`;
    const other = kept.get(key);
    if (other === undefined || one.count > other.count) kept.set(key, one);
  }
  return [...kept.values()].sort((a, b) => a.arena - b.arena);
}

/** What a check found, for the repair. */
export interface Examination {
  readonly discovery: Discovery;
  readonly flogs: readonly FlogFindings[];
  readonly problems: readonly BttProblem[];
}

/** Checks info blocks and flogs, which takes no longer for a larger BTT. */
export function look(operation: string, memory: Memory, limits: ArenaLimits = LIMITS): Examination {
  const discovery = discover(memory, limits);
  if (discovery === undefined) throw notFound(operation);
  const flogs = discovery.arenas.map((arena) => readFlog(memory, arena));
  return { discovery, flogs, problems: [...discovery.problems, ...flogs.flatMap(({ problems }) => problems)] };
}

/** Bytes of all the maps together. */
export function mapBytes({ arenas }: Discovery): number {
  return arenas.reduce((sum, { info }) => sum + info.sectorCount * MAP_ENTRY, 0);
}

/** Checks the maps too, and the copies of info blocks. */
export function* examine(memory: Memory, { discovery, flogs, problems }: Examination): Steps<Examination> {
  const found = [...problems];
  const total = mapBytes(discovery);
  let done = 0;
  for (const [i, arena] of discovery.arenas.entries()) {
    const inMap = yield* checkMap(memory, arena, flogs[i] as FlogFindings, done, total);
    for (const one of inMap) found.push(one);
    // Where the info block may be another BTT's, its copy must not be replaced.
    const isDoubtful = problems.some(({ code, arena: index }) => code === 'info-inconsistent' && index === arena.index);
    const copy = isDoubtful ? undefined : checkCopy(memory, arena);
    if (copy !== undefined) found.push(copy);
    done += arena.info.sectorCount * MAP_ENTRY;
  }
  return { discovery, flogs, problems: merged(found) };
}

/** Checks, and with `repair` repairs all damage, or none. It holds a claim meanwhile, exclusive to repair. */
export function* check(memory: Memory, options: CheckedCheck, limits: ArenaLimits = LIMITS): Steps<BttReport> {
  const { repair: wanted } = options;
  if (wanted && isReadOnly(memory)) throw readOnlyError('check', 'the memory');
  if (wanted) checkLines('check', memory);
  const claim = claimBtt('check', memory, wanted);
  try {
    return yield* checked(memory, options, limits);
  } finally {
    claim.end();
  }
}

function* checked(memory: Memory, options: CheckedCheck, limits: ArenaLimits): Steps<BttReport> {
  const found = yield* examine(memory, look('check', memory, limits));
  const { version, arenas } = found.discovery;
  const unsafe = found.problems.some(({ repairable }) => !repairable);
  const repaired = options.repair && !unsafe;
  if (repaired) repair(memory, found);
  const lanesRewritten = repaired && options.rewriteLog ? rewriteLogs(memory, arenas, found.flogs) : 0;
  if (lanesRewritten > 0) memory.drain();
  const problems = repaired ? found.problems.map((one) => ({ ...one, repaired })) : found.problems;
  let status: BttReport['status'] = 'clean';
  if (unsafe) status = 'unsafe';
  else if (problems.length > 0) status = repaired ? 'repaired' : 'repairable';
  const safeToWrite = repaired || !problems.some(isDangerous);
  return { version, arenas: arenas.length, problems, status, safeToWrite, lanesRewritten };
}
