/** The line that `pmem dax copy` draws for people who look at a terminal. */

import type { CopyProgress } from '../devdax/copy/options.js';
import { formatSize } from '../units.js';

/** Columns of the bar itself, where the terminal is wide enough. */
const BAR = 30;

/** Between two drawings, in ms. */
const PAUSE = 100;

/** Where it is drawn. */
export interface Terminal {
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/**
 * A line that is written over and over, at most ten times a second. The first news is drawn at once and the last one in any
 * case, so that a copy shows the same at its end however fast it was.
 */
export class ProgressBar {
  readonly #terminal: Terminal;
  readonly #now: () => number;
  readonly #begin: number;
  #drawn = Number.NEGATIVE_INFINITY;
  #open = false;
  /** What came too soon after the last drawing. */
  #held: CopyProgress | undefined;

  /** `now` is the time in ms; it never goes back. */
  constructor(terminal: Terminal, now: () => number = () => performance.now()) {
    this.#terminal = terminal;
    this.#now = now;
    this.#begin = now();
  }

  show(progress: CopyProgress): void {
    const now = this.#now();
    if (now - this.#drawn < PAUSE && progress.done !== progress.total) this.#held = progress;
    else this.#draw(progress, now);
  }

  /** What is written next begins a line of its own. */
  end(): void {
    if (this.#held !== undefined) this.#draw(this.#held, this.#now());
    if (this.#open) this.#terminal.write('\n');
    this.#open = false;
  }

  #draw({ phase, done, total }: CopyProgress, now: number): void {
    this.#drawn = now;
    this.#held = undefined;
    this.#open = true;
    const speed = formatSize(Math.round(done / Math.max((now - this.#begin) / 1000, 0.001)));
    const verb = phase === 'copy' ? 'copied' : 'verified';
    this.#terminal.write(`\r\x1b[K${this.#bar(done, total)}${verb} ${formatSize(done)}, ${speed}/s`);
  }

  /** Nothing while the end is not known. */
  #bar(done: number, total: number | undefined): string {
    if (total === undefined) return '';
    const share = done / Math.max(total, 1);
    const percent = `${Math.floor(100 * share)} %`.padStart(5);
    const width = Math.min(BAR, (this.#terminal.columns || 80) - 50);
    const full = Math.floor(width * share);
    return width < 10 ? `${percent}, ` : `[${'#'.repeat(full)}${'.'.repeat(width - full)}] ${percent}, `;
  }
}
