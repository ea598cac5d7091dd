/** The progress bar of every command that can take long. */

import type { Progress } from '../../options.js';
import { formatSize } from '../../units.js';
import { control, emit, type Sink } from './emit.js';
import { isTerminal } from './style.js';

/** Columns of the bar itself, where the terminal is wide enough. */
const BAR = 30;
const LEAST_BAR = 10;

/** Columns of the text beside the bar, at most. */
const TEXT = 50;

/** Milliseconds between two drawings. */
const PAUSE = 100;

/** Where the bar is drawn. */
export interface Screen extends Sink {
  readonly columns?: number | undefined;
}

/** Bytes so far. The total is not finite, or absent, while the end is unknown. */
type Bytes = Pick<Progress, 'done' | 'phase'> & { readonly total?: number | undefined };

/** From an operation's phase to a verb in the past: `copy` → `copied`. */
export type Verbs = Readonly<Record<string, string>>;

/**
 * One line for each phase, drawn again at most ten times a second. The first and the last state are always drawn, so that a job shows
 * the same at its end however fast it was.
 */
export class ProgressBar {
  readonly #screen: Screen;
  readonly #verbs: Verbs;
  readonly #now: () => number;
  /** The phase that is drawn, and its begin. */
  #phase: string | undefined;
  #begin: number;
  #drawn = Number.NEGATIVE_INFINITY;
  #open = false;
  /** The last state, if it came too soon after a drawing. */
  #held: Bytes | undefined;

  /** `verbs` has a verb for each phase; `''` stands for an operation without phases. `now` is a monotonic time in milliseconds. */
  constructor(screen: Screen, verbs: Verbs, now: () => number = () => performance.now()) {
    this.#screen = screen;
    this.#verbs = verbs;
    this.#now = now;
    this.#begin = now();
  }

  show(progress: Bytes): void {
    const now = this.#now();
    if (this.#phase !== undefined && this.#phase !== (progress.phase ?? '')) this.#next(now);
    this.#phase = progress.phase ?? '';
    if (now - this.#drawn < PAUSE && progress.done !== progress.total) this.#held = progress;
    else this.#draw(progress, now);
  }

  /** Ends the line. */
  end(): void {
    if (this.#held !== undefined) this.#draw(this.#held, this.#now());
    if (this.#open) emit(this.#screen, control('\n'));
    this.#open = false;
  }

  /** Another phase begins: its speed counts from here, on a line of its own. */
  #next(now: number): void {
    this.end();
    this.#drawn = Number.NEGATIVE_INFINITY;
    this.#begin = now;
  }

  #draw({ phase = '', done, total }: Bytes, now: number): void {
    this.#drawn = now;
    this.#held = undefined;
    this.#open = true;
    const speed = formatSize(Math.round(done / Math.max((now - this.#begin) / 1000, 0.001)));
    const line = `${this.#bar(done, total)}${this.#verbs[phase] ?? phase} ${formatSize(done)}, ${speed}/s`;
    // A line that wraps could not be drawn over.
    emit(this.#screen, `${control('\r\x1b[K')}${line.slice(0, this.#columns() - 1)}`);
  }

  #columns(): number {
    return this.#screen.columns || 80; // 0: a terminal of unknown width
  }

  /** Nothing while the end is unknown. */
  #bar(done: number, total: number | undefined): string {
    if (total === undefined || !Number.isFinite(total)) return '';
    const share = done / Math.max(total, 1);
    const percent = `${Math.floor(100 * share)} %`.padStart(5);
    const width = Math.min(BAR, this.#columns() - TEXT);
    const full = Math.floor(width * share);
    return width < LEAST_BAR ? `${percent}, ` : `[${'#'.repeat(full)}${'.'.repeat(width - full)}] ${percent}, `;
  }
}

/** Runs a job, with a progress bar if stderr is a terminal. */
export async function withProgress<Result>(
  verbs: Verbs,
  job: (onProgress: ((progress: Bytes) => void) | undefined) => Promise<Result>,
): Promise<Result> {
  if (!isTerminal(process.stderr)) return await job(undefined);
  const bar = new ProgressBar(process.stderr, verbs);
  try {
    return await job((progress) => bar.show(progress));
  } finally {
    bar.end();
  }
}
