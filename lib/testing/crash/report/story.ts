/** Tells how an image came about, in terms of the program. */

import { inspect } from 'node:util';
import type { CallSite } from '../../simulation/call-site.js';
import { type Choice, splitWord, tornWords, wholePieces } from '../../simulation/choice.js';
import type { LineState } from '../../simulation/line-state.js';
import { bitCount } from '../../simulation/lines.js';
import type { FlushEvent, LogEvent, StoreEvent } from '../../simulation/store-log.js';
import type { Operation } from '../options.js';
import type { RecordedWorkload } from '../workload.js';
import type { Cut, Violation } from './violation.js';

/** Stores that a story lists; it counts the others. */
const MOST_STORES = 12;
const INDENT = '             ';

/** A store in flight, and how much of it arrived. */
interface Fate {
  readonly store: StoreEvent;
  /** Words in flight, and words that arrived whole, in all its lines. */
  words: number;
  arrived: number;
  /** Words of which a half arrived. */
  split: number;
  lines: number;
  /** A flush that covers all of it; undefined if a part is not flushed. */
  flush: FlushEvent | undefined;
}

function fatesOf({ point: { states }, choices }: Cut): Fate[] {
  const fates = new Map<StoreEvent, Fate>();
  states.forEach((state: LineState, i) => {
    const choice = choices[i] as Choice;
    state.pieces.forEach(({ store, mask }, number) => {
      const flush = number < state.flushed ? state.flush : undefined;
      let fate = fates.get(store);
      if (fate === undefined) {
        fate = { store, words: 0, arrived: 0, split: 0, lines: 0, flush };
        fates.set(store, fate);
      }
      fate.lines++;
      fate.words += bitCount(mask);
      if (number < wholePieces(choice)) fate.arrived += bitCount(mask);
      else if (number === wholePieces(choice)) {
        fate.arrived += bitCount(tornWords(choice));
        if (splitWord(choice) !== 0) fate.split++;
      }
      if (flush === undefined) fate.flush = undefined;
    });
  });
  return [...fates.values()].sort((a, b) => a.store.index - b.store.index);
}

function at(site: CallSite | undefined): string {
  const [first, caller] = site?.frames ?? [];
  if (first === undefined) return 'somewhere';
  return caller === undefined ? `at ${first}` : `at ${first}, called at ${caller}`;
}

function siteOf(cut: Cut, event: LogEvent): CallSite | undefined {
  const told = cut.log.events[event.index];
  return told !== undefined && 'site' in told ? told.site : undefined;
}

function plural(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? '' : 's'}`;
}

/** `base` is the memory's offset in its first line: the log counts from the beginning of that line. */
function storeText(cut: Cut, base: number, { store, flush }: Fate): string {
  const { kind, bytes } = store;
  const offset = Math.max(0, store.offset - base);
  if (kind === 'view')
    return `store through a view, into the line at offset ${offset}, seen at the next look at the view`;
  const flushed =
    flush === undefined
      ? 'not flushed'
      : `flushed at ${siteOf(cut, flush)?.place ?? 'somewhere'}, but not drained since`;
  return `${kind} of ${plural(bytes.length, 'byte')} at offset ${offset}, ${flushed},\n${INDENT}  ${at(siteOf(cut, store))}`;
}

function tornText({ words, arrived, split }: Fate): string {
  const whole = `${arrived} of ${plural(words, 'word')}`;
  if (split === 0) return `${whole} of the `;
  const parts = split === 1 ? 'half a word' : `halves of ${split} words`;
  return arrived === 0 ? `${parts}, of ${words}, of the ` : `${whole} and ${parts} of the `;
}

function storesText(
  cut: Cut,
  base: number,
  heading: string,
  fates: readonly Fate[],
  note: (fate: Fate) => string,
): string[] {
  if (fates.length === 0) return [];
  const texts = fates.slice(0, MOST_STORES).map((fate) => `${note(fate)}${storeText(cut, base, fate)}`);
  if (fates.length > MOST_STORES) texts.push(`and ${plural(fates.length - MOST_STORES, 'other store')}`);
  return texts.map((text, i) => `  ${(i === 0 ? heading : '').padEnd(INDENT.length - 2)}${text}`);
}

function cutText(cut: Cut, base: number, who: 'workload' | 'recovery'): string[] {
  const fates = fatesOf(cut);
  const kept = fates.filter(({ words, arrived }) => arrived === words);
  const lost = fates.filter(({ arrived, split }) => arrived === 0 && split === 0);
  const torn = fates.filter(({ words, arrived, split }) => split > 0 || (arrived > 0 && arrived < words));
  const { drain, number, atEnd } = cut.point;
  const end = atEnd ? `at the end of the ${who}` : 'at the end of the operation';
  const where = drain === undefined ? end : `before the drain ${at(siteOf(cut, drain))}`;
  return [
    `  power cut  at crash point ${number}, ${where}`,
    ...(fates.length === 0 ? [`  in flight  nothing: all that was stored is durable`] : []),
    ...storesText(cut, base, 'lost', lost, () => ''),
    ...storesText(cut, base, 'torn', torn, tornText),
    ...storesText(cut, base, 'kept', kept, () => ''),
  ];
}

function operationText({ point }: Cut, operations: readonly Operation<unknown>[]): string {
  const all = operations.length;
  const running = point.started > point.finished ? operations[point.finished] : undefined;
  if (running !== undefined) return `during '${running.name}', operation ${running.index + 1} of ${all}`;
  const last = operations[point.finished - 1];
  if (last === undefined) return all === 0 ? 'none marked' : `before the first of ${all}`;
  return `after '${last.name}', operation ${last.index + 1} of ${all}`;
}

function reason(error: unknown): string {
  if (error instanceof Error) return error.message;
  return typeof error === 'string' ? error : inspect(error);
}

/** The story of a violation, in lines. */
export function tellStory(
  { cuts, failure }: Violation,
  { operations, lineOffset }: Pick<RecordedWorkload<unknown>, 'operations' | 'lineOffset'>,
  replay: string | undefined,
): string {
  const [first, ...recoveries] = cuts;
  const said = failure.phase === 'recover' ? 'recovery fails' : 'the check fails';
  const lines = [`after a power cut, ${said}: ${reason(failure.error)}`];
  if (first !== undefined) {
    lines.push(`  operation  ${operationText(first, operations)}`);
    for (const line of cutText(first, lineOffset, 'workload')) lines.push(line);
  }
  for (const cut of recoveries) {
    lines.push('  then       recovery ran, and the power was cut again');
    for (const line of cutText(cut, lineOffset, 'recovery')) lines.push(line);
  }
  if (replay !== undefined) lines.push(`  replay     '${replay}'`);
  return lines.join('\n');
}
