/** `pmem demo [PATH]`: crash a writer, check its records, measure. */

import { PmemError } from '../errors.js';
import { assumedByEnvironment } from '../memory/durability/durability.js';
import type { Durability } from '../memory/memory.js';
import { Region } from '../memory/region/region.js';
import { type Arguments, type Command, UsageError } from './command.js';
import { type Measurement, measure } from './demo/measure.js';
import { crashRounds, killWriters, type Round, tearOnPurpose } from './demo/rounds.js';
import { printMeasurement, printPlace, printRound, printRoundsHead, printVerdict } from './demo/text.js';
import { makeWorkplace, type Workplace } from './demo/workplace.js';
import { report } from './failure.js';
import { printJson } from './output.js';

const DEFAULT_ROUNDS = 5;
/** The file has room for a few hundred records in each of so many. */
const MOST_ROUNDS = 100;

function roundsOf(value: string | undefined): number {
  if (value === undefined) return DEFAULT_ROUNDS;
  const rounds = Number(value);
  if (!/^\d+$/.test(value) || rounds < 1 || rounds > MOST_ROUNDS) {
    throw new UsageError(`--rounds must be a number from 1 to ${MOST_ROUNDS}; got '${value}'`, 'demo');
  }
  return rounds;
}

/** However the process ends, no writer runs on and no file stays. Returns the way back to normal. */
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
  /** Whether a record that was cut in half was recognised; undefined if it was not tried, to leave the evidence alone. */
  readonly tornRecognised: boolean | undefined;
  readonly measurement: Measurement | undefined;
}

function holds({ rounds, tornRecognised }: Pick<Outcome, 'rounds' | 'tornRecognised'>): boolean {
  return tornRecognised === true && rounds.every((round) => round.lost === 0);
}

function complaint({ rounds }: Outcome): string {
  const broken = rounds.find((round) => round.lost > 0);
  if (broken === undefined) return 'a torn record was taken for good';
  return `${broken.lost} acknowledged records are lost after round ${broken.round}`;
}

/** Further digits mean nothing. */
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

async function run({ operands: [given], flags, values }: Arguments): Promise<number> {
  const rounds = roundsOf(values.get('rounds'));
  const assumePersistent = flags.has('assume-persistent') || assumedByEnvironment();
  const place = makeWorkplace(given, assumePersistent);
  const backToNormal = cleanUpAtExit(place);
  let keep = false;
  try {
    const outcome = await demonstrate(place, rounds, assumePersistent, flags.has('json'));
    if (flags.has('json')) printJson(asJson(outcome));
    if (holds(outcome)) return 0;
    keep = true;
    return report(new PmemError('ERR_PMEM_DEMO', `${complaint(outcome)}. The file is kept: '${place.path}'`));
  } finally {
    backToNormal();
    if (!keep) place.remove();
  }
}

export const demo: Command = {
  name: 'demo',
  operands: '[PATH]',
  summary: 'crash a writer, check its records, measure',
  description: [
    'A child process appends checksummed records and acknowledges each one after it was persisted. It is killed at random moments; every acknowledged record must be found again, and no torn one be taken for good. Then durable writes are timed against fs.writeSync + fdatasyncSync in the same directory, and on memory.',
    "PATH is a directory, or a file to create. Without it, the demo works in a fresh directory in the current one, or in the system's temporary one. What it made is removed at the end; files that it did not make are left alone.",
    'The exit code is 1 if anything acknowledged is missing.',
  ],
  options: {
    rounds: {
      type: 'string',
      value: 'N',
      help: `kill the writer N times; 1 to ${MOST_ROUNDS}, default ${DEFAULT_ROUNDS}`,
    },
    'assume-persistent': {
      type: 'boolean',
      help: 'count flushed stores as durable, though the kernel does not confirm it (tmpfs); also PMEM_ASSUME_PERSISTENT=1',
    },
    json: { type: 'boolean', help: 'print the results as an object for scripts' },
  },
  run,
};
