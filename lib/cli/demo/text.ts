/** What the demo prints for people, in at most 80 columns. */

import type { Durability } from '../../memory/memory.js';
import { formatSize } from '../../units.js';
import { granularityInWords } from '../inspect.js';
import { print } from '../terminal/output.js';
import { colours, indented, wrap } from '../terminal/style.js';
import { type Column, printTable } from '../terminal/table.js';
import type { Comparison, Measurement, Timing } from './measure.js';
import { RECORD_SIZE } from './record.js';
import type { Round } from './rounds.js';
import { AREA } from './workplace.js';

/** A time with three digits: 215 ns, 94.1 µs, 2.3 ms. */
export function formatTime(nanoseconds: number): string {
  const units = ['ns', 'µs', 'ms', 's'];
  let value = nanoseconds;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(3))} ${units[unit]}`;
}

function grade({ granularity, assumed }: Durability): string {
  return `Here stores are ${granularityInWords(granularity)}${assumed ? ', by assumption' : ''}`;
}

/** Prints the path and its durability. */
export function printPlace(path: string, durability: Durability): void {
  const { bold } = colours();
  print(bold('What this path gives'));
  print(indented(`${path} (${formatSize(AREA)}, removed at the end)`, 2));
  print(indented(`${grade(durability)}: ${durability.reason}.`, 2));
  print();
}

const LAYOUT = [5, 13, 15, 10] as const;

function roundLine(cells: readonly string[], rest: string): string {
  return `  ${cells.map((cell, i) => cell.padStart(LAYOUT[i] ?? 0)).join('')}   ${rest}`;
}

/** Prints what the rounds do, and the head of their table. */
export function printRoundsHead(rounds: number): void {
  const { bold, dim } = colours();
  print(bold(`A writer killed ${rounds} times`));
  print(
    indented(
      `It appends records of ${RECORD_SIZE} bytes, numbered and checksummed, persists each one and only then acknowledges it. SIGKILL ends it at a random moment; then the file is opened again and must hold every acknowledged record. The next writer goes on from there.`,
      2,
    ),
  );
  print();
  print(dim(roundLine(['round', 'killed after', 'acknowledged', 'found'], 'after the last good one')));
}

const NEXT: Readonly<Record<Round['next'], string>> = {
  empty: 'nothing',
  unfinished: 'unfinished, refused',
  end: 'the end of the file',
};

/** Prints the line of a round. */
export function printRound({ round, killedAfter, acknowledged, found, next, lost }: Round): void {
  const { good, bad } = colours();
  const verdict = lost === 0 ? good('ok') : bad(`${lost} LOST`);
  const cells = [String(round), `${killedAfter.toFixed(0)} ms`, String(acknowledged), String(found)];
  print(roundLine(cells, `${NEXT[next].padEnd(24)} ${verdict}`));
}

/** Prints the result of the rounds. */
export function printVerdict(rounds: readonly Round[], tornRecognised: boolean | undefined): void {
  const { good, bad } = colours();
  const last = rounds.at(-1);
  const acknowledged = last?.acknowledged ?? 0;
  print();
  if (last === undefined || last.lost > 0) {
    print(`  ${bad(`${last?.lost ?? 0} of ${acknowledged} acknowledged records are lost.`)}`);
  } else {
    print(`  ${good(`All ${acknowledged} acknowledged records are there.`)}`);
    const cut = 'A record cut in half on purpose was';
    print(`  ${tornRecognised === true ? good(`${cut} recognised.`) : bad(`${cut} TAKEN FOR GOOD.`)}`);
  }
  print(
    indented(
      'SIGKILL ends a process, not the power: the kernel keeps even stores that were never persisted. What survives a power cut depends on the durability of this path, above.',
      2,
    ),
  );
  print();
}

const MEMORY_HEADING = 'pmem on memory *';

function time(timing: Timing | undefined): string {
  return timing === undefined ? '-' : formatTime(timing.median);
}

function columns(durability: Durability, withMemory: boolean): Column[] {
  const here = durability.granularity === 'page' ? 'pmem here (msync)' : 'pmem here (flush)';
  const all = ['', here, 'fs write + fdatasync', ...(withMemory ? [MEMORY_HEADING] : [])];
  return all.map((heading) => ({ heading, right: true }));
}

function row({ bytes, pmem, fs, memory }: Comparison, withMemory: boolean): string[] {
  return [formatSize(bytes), time(pmem), time(fs), ...(withMemory ? [time(memory)] : [])];
}

function here({ granularity, assumed }: Durability): string {
  if (granularity === 'page') {
    return 'On this path persist is an msync of whole pages: the speed is that of the disk, for pmem as for fs.';
  }
  const flush = 'On this path persist is a flush of CPU caches, without a system call';
  return `${flush}.${assumed ? ' The memory is assumed to be persistent, which is not confirmed, and fdatasync may have nothing to do.' : ''}`;
}

/** Prints the table of times. */
export function printMeasurement({ comparisons, withoutMemory }: Measurement, durability: Durability): void {
  const { bold } = colours();
  const withMemory = withoutMemory === undefined;
  print(bold('Durable writes, measured now (medians)'));
  const rows = comparisons.map((comparison) => row(comparison, withMemory));
  printTable(columns(durability, withMemory), rows, 2);
  print();
  print(indented(here(durability), 2));
  if (withMemory) {
    print(
      `  * ${wrap('A file in /dev/shm with assumePersistent: true stands for an NVDIMM. It is ordinary RAM, which loses its bytes at power-off; real modules can be slower.', 4)}`,
    );
  } else {
    print(indented(`Memory is left out: ${withoutMemory}.`, 2));
  }
}
