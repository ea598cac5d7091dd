/** Records what a program does to memory. */

import type { CallSite, CallSites } from './call-site.js';
import { LINE, LINE_INTEGERS, lastLineOf, lineOf, type Media, wordMask } from './lines.js';
import type { MemoryObserver } from './observed-memory.js';
import type { MarkEvent, StoreKind, StoreLog } from './store-log.js';
import { ViewWatch } from './view-watch.js';

/** What a mutant leaves out: every flush or drain of one line of source, or one of them by its number in the workload. */
export interface Omission {
  readonly type: 'flush' | 'drain';
  /** A {@link CallSite.place}, or the number of the flush or drain in the workload, from 0. */
  readonly which: string | number;
}

/** Where and how to record. */
export interface Recording {
  readonly log: StoreLog;
  /** Finds call sites; undefined if nobody needs them, as that takes microseconds for each call. */
  readonly sites: CallSites | undefined;
  readonly omission: Omission | undefined;
}

/** Whether all set bits lie in one of the four bytes. */
function isOneByte(bits: number): boolean {
  return [0xff, 0xff00, 0xff0000, 0xff000000].some((byte) => (bits & ~byte) === 0);
}

/** Observes a memory from its first store on. */
export class Recorder implements MemoryObserver {
  protected readonly media: Media;
  protected readonly views: ViewWatch;
  protected recording: Recording | undefined;
  readonly #counts = { flush: 0, drain: 0 };

  constructor(media: Media, recording: Recording | undefined) {
    this.media = media;
    this.views = new ViewWatch(media);
    this.recording = recording;
  }

  reading(_offset: number, _length: number): void {}

  viewing(offset: number, length: number): void {
    this.views.watch(offset, length);
  }

  storing(offset: number, length: number): void {
    this.views.look(lineOf(offset), lastLineOf(offset, length), this.#onChange);
  }

  stored(kind: StoreKind, offset: number, length: number): void {
    this.views.update(lineOf(offset), lastLineOf(offset, length));
    if (this.recording === undefined) return;
    const { log, sites } = this.recording;
    log.store(kind, offset, Uint8Array.prototype.slice.call(this.media.bytes, offset, offset + length), sites?.here());
  }

  flushing(offset: number, length: number): void {
    this.views.look(lineOf(offset), lastLineOf(offset, length), this.#onChange);
    if (this.recording === undefined) return;
    const site = this.recording.sites?.here();
    if (!this.#omits('flush', site)) this.recording.log.flush(offset, length, site);
  }

  draining(): void {
    this.lookAtViews();
    if (this.recording === undefined) return;
    const site = this.recording.sites?.here();
    if (!this.#omits('drain', site)) this.recording.log.drain(site);
  }

  mark(type: MarkEvent['type']): void {
    this.lookAtViews();
    this.recording?.log.mark(type);
  }

  /** Records what was stored through views since the last look. */
  lookAtViews(): void {
    this.views.lookAtAll(this.#onChange);
  }

  /** A line changed by stores through a view. */
  protected changed(line: number, before: Int32Array, at: number): void {
    if (this.recording === undefined) return;
    let mask = 0;
    let tears = 0;
    const start = line * LINE_INTEGERS;
    for (let i = 0; i < LINE_INTEGERS; i++) {
      const change = (this.media.integers[start + i] as number) ^ (before[at + i] as number);
      if (change === 0) continue;
      const word = wordMask(i * 4, i * 4 + 4);
      if ((mask & word) !== 0 || !isOneByte(change)) tears |= word;
      mask |= word;
    }
    if (mask === 0) return;
    const bytes = Uint8Array.prototype.slice.call(this.media.bytes, line * LINE, (line + 1) * LINE);
    this.recording.log.store('view', line * LINE, bytes, undefined, { mask, tears });
  }

  readonly #onChange = (line: number, before: Int32Array, at: number): void => this.changed(line, before, at);

  #omits(type: Omission['type'], site: CallSite | undefined): boolean {
    const number = this.#counts[type]++;
    const omission = this.recording?.omission;
    if (omission === undefined || omission.type !== type) return false;
    return omission.which === number || omission.which === site?.place;
  }
}
