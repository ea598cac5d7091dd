/** Kills a writer again and again, and checks the file that it leaves. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { PmemError } from '../../errors.js';
import { Region } from '../../memory/region/region.js';
import { capacity, makeRecord, place, RECORD_SIZE, type Scan, scan } from './record.js';

/** What the rounds run on. */
export interface CrashTest {
  readonly path: string;
  readonly rounds: number;
  readonly assumePersistent: boolean;
  /** The module that runs as the writer. Default: the demo's own. */
  readonly writer?: string;
  /** Called after each round. */
  readonly onRound?: (round: Round) => void;
}

/** How one round went. */
export interface Round {
  readonly round: number;
  /** Milliseconds from the first acknowledgement to SIGKILL. */
  readonly killedAfter: number;
  /** The last record acknowledged, in this round or before. */
  readonly acknowledged: number;
  /** The last of the good records that follow each other from the first. */
  readonly found: number;
  readonly next: Scan['next'];
  /** Acknowledged records that were not found. */
  readonly lost: number;
}

const WRITER = fileURLToPath(new URL('writer.js', import.meta.url));
/**
 * The writer gets the open file, not its name: if this process is killed while a writer starts, and another demo makes a file
 * of the same name, the writer must not touch the new file.
 */
const INHERITED = '/proc/self/fd/4';
const WORD = 8;
const MOST_DELAY = 200;

/** Writers to kill if this process ends first. */
const running = new Set<ChildProcess>();

/** Kills every writer that is still running. */
export function killWriters(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** The numbers that the writer acknowledged. The last one is known when the stream has ended. */
class Acknowledgements {
  last = 0;
  count = 0;
  #rest = Buffer.alloc(0);

  add(bytes: Buffer): void {
    const all = Buffer.concat([this.#rest, bytes]);
    const whole = all.length - (all.length % WORD);
    if (whole > 0) this.last = Number(all.readBigUInt64LE(whole - WORD));
    this.count += whole / WORD;
    this.#rest = all.subarray(whole);
  }
}

function endedByItself(code: number | null, signal: NodeJS.Signals | null, stderr: string): PmemError {
  const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
  const [why = ''] = stderr.split('\n').filter((line) => /^\w*Error\b|^\[?\w+Error/.test(line));
  return new PmemError(
    'ERR_PMEM_DEMO',
    `the demo's writer ${how} before it was killed. ${why || stderr.trim()}`.trim(),
  );
}

function start(path: string, args: string[]): ChildProcess {
  const fd = openSync(path, 'r+');
  try {
    return spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe', 'pipe', fd] });
  } finally {
    closeSync(fd);
  }
}

/** Runs the writer until a random moment; resolves with what it acknowledged once it is dead and every byte is read. */
async function runAndKill(
  { path, writer = WRITER, assumePersistent }: CrashTest,
  round: number,
  mostRecords: number,
): Promise<{ acknowledged: number; killedAfter: number }> {
  const child = start(path, [
    writer,
    INHERITED,
    String(round),
    String(mostRecords),
    ...(assumePersistent ? ['assume'] : []),
  ]);
  running.add(child);
  const seen = new Acknowledgements();
  const enough = 1 + Math.floor(Math.random() * mostRecords);
  const delay = Math.random() * MOST_DELAY;
  let begin: number | undefined;
  let killedAfter: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  const kill = () => {
    if (killedAfter !== undefined) return;
    killedAfter = performance.now() - (begin ?? 0);
    child.kill('SIGKILL');
  };
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  (child.stdio[3] as Readable).on('data', (bytes: Buffer) => {
    seen.add(bytes);
    if (begin === undefined) {
      begin = performance.now();
      timer = setTimeout(kill, delay);
    }
    if (seen.count >= enough) kill();
  });
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    if (signal !== 'SIGKILL' || killedAfter === undefined)
      throw endedByItself(code, signal, stderr.replaceAll(INHERITED, path));
    return { acknowledged: seen.last, killedAfter };
  } finally {
    clearTimeout(timer);
    running.delete(child);
  }
}

function look({ path, assumePersistent }: CrashTest): Scan & { most: number } {
  const region = Region.open(path, { readOnly: true, assumePersistent });
  try {
    return { ...scan(region), most: capacity(region.size) };
  } finally {
    region.close();
  }
}

/**
 * Runs the rounds. Each writer continues after the last good record, and writes no more than its share of the file. It is killed
 * after a random time or a random number of records, whichever comes first. Ends early when a record is lost.
 */
export async function crashRounds(test: CrashTest): Promise<Round[]> {
  const rounds: Round[] = [];
  let acknowledged = 0;
  const share = Math.max(1, Math.floor(look(test).most / test.rounds));
  for (let round = 1; round <= test.rounds; round++) {
    const run = await runAndKill(test, round, share);
    acknowledged = Math.max(acknowledged, run.acknowledged);
    const { good, next } = look(test);
    const lost = Math.max(0, acknowledged - good);
    const { killedAfter } = run;
    const result: Round = { round, killedAfter, acknowledged, found: good, next, lost };
    rounds.push(result);
    test.onRound?.(result);
    if (lost > 0) break;
  }
  return rounds;
}

/** Writes the next record and cuts it in half. True if it is not taken for a good one. */
export function tearOnPurpose({ path, assumePersistent }: CrashTest): boolean {
  const region = Region.open(path, { assumePersistent });
  try {
    const before = scan(region);
    if (before.next === 'end') return true;
    const number = before.good + 1;
    makeRecord(region, region.view(), number, 0);
    const whole = scan(region);
    region.fill(place(number) + RECORD_SIZE / 2, RECORD_SIZE / 2, 0, 'persist');
    const torn = scan(region);
    return whole.good === number && torn.good === before.good && torn.next === 'unfinished';
  } finally {
    region.close();
  }
}
