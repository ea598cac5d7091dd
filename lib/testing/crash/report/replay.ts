/**
 * The token that names one image: `2:FINGERPRINT:POINT:LINES[/POINT:LINES…]`, one part for each power cut. LINES lists the lines of which
 * something arrived: `LINE=CHOICE` or `LINE+COUNT=CHOICE`, in hexadecimal.
 */

import { PmemError, wrongValue } from '../../../errors.js';
import { type Choice, maskOfSplit, splitWord, tornWords, wholePieces } from '../../simulation/choice.js';
import type { LineState } from '../../simulation/line-state.js';
import type { Choices } from '../images/choose.js';
import type { Cut } from './violation.js';

/** Changes when the meaning of tokens does. */
const VERSION = '2';

/** A power cut in a token. */
export interface ReplayCut {
  readonly point: number;
  /** By the number of the line in the memory. */
  readonly lines: ReadonlyMap<number, Choice>;
}

/** A parsed token. */
export interface Replay {
  readonly fingerprint: string;
  readonly cuts: readonly ReplayCut[];
}

function linesToken({ point: { states }, choices }: Cut): string {
  const arrived = states
    .map(({ line }, i) => ({ line, choice: choices[i] as Choice }))
    .filter(({ choice }) => choice !== 0)
    .sort((a, b) => a.line - b.line);
  const runs: { line: number; count: number; choice: Choice }[] = [];
  for (const { line, choice } of arrived) {
    const last = runs.at(-1);
    if (last !== undefined && last.line + last.count === line && last.choice === choice) last.count++;
    else runs.push({ line, count: 1, choice });
  }
  return runs
    .map(({ line, count, choice }) => {
      const more = count === 1 ? '' : `+${count.toString(16)}`;
      return `${line.toString(16)}${more}=${choice.toString(16)}`;
    })
    .join(',');
}

export function replayToken(fingerprint: string, cuts: readonly Cut[]): string {
  return `${VERSION}:${fingerprint}:${cuts.map((cut) => `${cut.point.number}:${linesToken(cut)}`).join('/')}`;
}

const CUT = /^(\d{1,15}):((?:[0-9a-f]{1,13}(?:\+[0-9a-f]{1,8})?=[0-9a-f]{1,13}(?:,(?=.)|$))*)$/;
const RUN = /([0-9a-f]+)(?:\+([0-9a-f]+))?=([0-9a-f]+)/g;
/** No token of this package names more lines. */
const MOST_LINES = 2 ** 24;

function parseCut(text: string): ReplayCut | undefined {
  const match = CUT.exec(text);
  if (match === null) return undefined;
  const lines = new Map<number, Choice>();
  for (const [, line = '', count = '1', choice = ''] of (match[2] as string).matchAll(RUN)) {
    const most = Number.parseInt(count, 16);
    if (lines.size + most > MOST_LINES) return undefined;
    for (let i = 0; i < most; i++) lines.set(Number.parseInt(line, 16) + i, Number.parseInt(choice, 16));
  }
  return { point: Number(match[1]), lines };
}

/** @throws TypeError `ERR_INVALID_ARG_VALUE` if it is no token */
export function parseReplay(token: string): Replay {
  const match = /^2:([0-9a-f]{8}):(.*)$/.exec(token);
  const cuts = (match?.[2] ?? '').split('/').map(parseCut);
  if (match === null || cuts.includes(undefined)) {
    throw wrongValue('options.replay', 'the token of a CrashConsistencyError', token);
  }
  return { fingerprint: match[1] as string, cuts: cuts as ReplayCut[] };
}

export function replayMismatch(): PmemError {
  return new PmemError(
    'ERR_PMEM_REPLAY_MISMATCH',
    'the replay token belongs to another program: setup, workload or recover did something else when it was made. Explore again without it',
  );
}

/** The image of a token, among the lines in flight. */
export function replayChoices({ lines }: ReplayCut, states: readonly LineState[]): Choices {
  const choices: Choices = new Float64Array(states.length);
  let found = 0;
  states.forEach(({ line, pieces }, i) => {
    const choice = lines.get(line);
    if (choice === undefined) return;
    const whole = wholePieces(choice);
    const words = tornWords(choice);
    const split = maskOfSplit(splitWord(choice));
    const { mask, tears } = pieces[whole] ?? { mask: 0, tears: 0 };
    if (whole > pieces.length || (words & ~mask) !== 0 || (split & ~tears) !== 0 || (words & split) !== 0) {
      throw replayMismatch();
    }
    choices[i] = choice;
    found++;
  });
  if (found !== lines.size) throw replayMismatch();
  return choices;
}
