/** `pmem demo [PATH]`: crash a writer, check its records, measure. */

import { PmemError } from '../../errors.js';
import { assumedByEnvironment } from '../../memory/durability/durability.js';
import type { Durability } from '../../memory/memory.js';
import { Region } from '../../memory/region/region.js';
import type { Arguments } from '../arguments.js';
import type { Command } from '../command.js';
import { report } from '../failure.js';
import { ASSUME_PERSISTENT, JSON_OBJECT } from '../options.js';
import { printJson } from '../terminal/output.js';
import { type Measurement, measure } from './measure.js';
import { crashRounds, killWriters, type Round, tearOnPurpose } from './rounds.js';
import { printMeasurement, printPlace, printRound, printRoundsHead, printVerdict } from './text.js';
import { makeWorkplace, type Workplace } from './workplace.js';

const DEFAULT_ROUNDS = 5;
/** So that the file has room for a few hundred records of each round. */
const MOST_ROUNDS = 100;

/** Kills the writer and removes the files, however the process ends. Returns a function that undoes this. */
function cleanUpAtExit(place: Workplace): () => void {
  const atExit = () => {
    killWriters();
    place.remove();
  };
  const signals = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const;
  const onSignal = (_: NodeJS.Signals, number: number) => process.exit(128 + number);
  process.once('exit', atExit);
  for (const signal of signals) process.once(signal, onSignal);
  return () => {
    process.removeListener('exit', atExit);
    for (const signal of signals) process.removeListener(signal, onSignal);
  };
}

function durabilityOf(path: string, assumePersistent: boolean): Durability {
  const region = Region.open(path, { assumePersistent });
  const { durability } = region;
  region.close();
  return durability;
}

interface Outcome {
  readonly path: string;
  readonly durability: Durability;
  readonly rounds: readonly Round[];
  /** Whether a record that was cut in half was recognised. Undefined if it was not tried, to keep the evidence. */
  readonly tornRecognised: boolean | undefined;
  readonly measurement: Measurement | undefined;
}

function holds({ rounds, tornRecognised }: Pick<Outcome, 'rounds' | 'tornRecognised'>): boolean {
  return tornRecognised === true && rounds.every((round) => round.lost === 0);
}

function complaint({ rounds }: Outcome): string {
  const broken = rounds.find((round) => round.lost > 0);
  if (broken === undefined) return 'a torn record was taken for a good one';
  return `${broken.lost} acknowledged records are lost after round ${broken.round}`;
}

/** More digits mean nothing. */
function rounded(value: number): number {
  return Number(value.toFixed(1));
}

function asJson(outcome: Outcome): unknown {
  const { path, durability, rounds, tornRecognised, measurement } = outcome;
  return {
    ok: holds(outcome),
    path,
    durability,
    rounds: rounds.map(({ round, killedAfter, acknowledged, found, next, lost }) => ({
      round,
      killed_after_ms: rounded(killedAfter),
      acknowledged,
      found,
      next,
      lost,
    })),
    torn_on_purpose: tornRecognised === undefined ? undefined : tornRecognised ? 'recognised' : 'taken',
    writes: measurement?.comparisons.map(({ bytes, pmem, fs, memory }) => ({
      bytes,
      pmem: { median_ns: rounded(pmem.median), samples: pmem.samples },
      fs_fdatasync: { median_ns: rounded(fs.median), samples: fs.samples },
      memory_assumed: memory && { median_ns: rounded(memory.median), samples: memory.samples },
    })),
    memory_left_out: measurement?.withoutMemory,
  };
}

async function demonstrate(
  place: Workplace,
  rounds: number,
  assumePersistent: boolean,
  quiet: boolean,
): Promise<Outcome> {
  const { path } = place;
  const durability = durabilityOf(path, assumePersistent);
  if (!quiet) {
    printPlace(path, durability);
    printRoundsHead(rounds);
  }
  const test = { path, rounds, assumePersistent, ...(quiet ? {} : { onRound: printRound }) };
  const done = await crashRounds(test);
  const tornRecognised = done.some((round) => round.lost > 0) ? undefined : tearOnPurpose(test);
  if (!quiet) printVerdict(done, tornRecognised);
  const outcome = { path, durability, rounds: done, tornRecognised };
  if (!holds(outcome)) return { ...outcome, measurement: undefined };
  const measurement = await measure(place, assumePersistent);
  if (!quiet) printMeasurement(measurement, durability);
  return { ...outcome, measurement };
}

async function run(args: Arguments): Promise<number> {
  const rounds = args.integer('rounds', 1, MOST_ROUNDS) ?? DEFAULT_ROUNDS;
  const assumePersistent = args.has('assume-persistent') || assumedByEnvironment();
  const json = args.has('json');
  const place = makeWorkplace(args.operands[0], assumePersistent);
  const backToNormal = cleanUpAtExit(place);
  let keep = false;
  try {
    const outcome = await demonstrate(place, rounds, assumePersistent, json);
    if (json) printJson(asJson(outcome));
    if (holds(outcome)) return 0;
    keep = true;
    return report(new PmemError('ERR_PMEM_DEMO', `${complaint(outcome)}. The file is kept: '${place.path}'`));
  } finally {
    backToNormal();
    if (!keep) place.remove();
  }
}

export const demo: Command = {
  description: [
    'A child process appends checksummed records, and acknowledges each record after it was persisted. It is killed at random moments. Every acknowledged record must then be found, and no torn record be taken for a good one. After that, durable writes are timed against fs.writeSync + fdatasyncSync in the same directory, and on memory.',
    "PATH is a directory, or a file to create. Without PATH, the demo works in a new directory in the current one, or in the system's temporary directory. It removes its files at the end, and leaves other files alone.",
  ],
  options: {
    rounds: {
      type: 'string',
      value: 'N',
      help: `kill the writer N times; 1 to ${MOST_ROUNDS}, default ${DEFAULT_ROUNDS}`,
    },
    'assume-persistent': { ...ASSUME_PERSISTENT, help: `${ASSUME_PERSISTENT.help}; also PMEM_ASSUME_PERSISTENT=1` },
    json: JSON_OBJECT,
  },
  examples: ['pmem demo', 'pmem demo /mnt/pmem --rounds 20'],
  alsoFails: 'an acknowledged record is missing',
  run,
};
