/** What a program did to memory, in program order. */

import type { CallSite } from './call-site.js';
import { LINE, WORD, wordMask } from './lines.js';

/** The call that stored; `view` is a store through a view, found by comparison. */
export type StoreKind = 'write' | 'fill' | 'store64' | 'view';

/** Bytes were stored, not durable yet. */
export interface StoreEvent {
  readonly type: 'store';
  readonly index: number;
  readonly kind: StoreKind;
  readonly offset: number;
  /** A copy of what was stored. */
  readonly bytes: Uint8Array;
  /** Words stored in the one line of a `view`; undefined for all that the range touches. */
  readonly mask: number | undefined;
  /** The words among them of which several bytes changed, in an unknown number of stores. */
  readonly tears: number | undefined;
  readonly site: CallSite | undefined;
}

/** A range was flushed. */
export interface FlushEvent {
  readonly type: 'flush';
  readonly index: number;
  readonly offset: number;
  readonly length: number;
  readonly site: CallSite | undefined;
}

/** A drain: everything flushed before is durable. */
export interface DrainEvent {
  readonly type: 'drain';
  readonly index: number;
  readonly site: CallSite | undefined;
}

/** An operation began or ended, or something was acknowledged: `check` is told something else from here on. */
export interface MarkEvent {
  readonly type: 'start' | 'end' | 'acknowledge';
  readonly index: number;
}

export type LogEvent = StoreEvent | FlushEvent | DrainEvent | MarkEvent;

/** The words of the line that a store touches: bit 0 is the first. */
export function maskInLine(store: StoreEvent, line: number): number {
  if (store.mask !== undefined) return store.mask;
  const start = Math.max(store.offset - line * LINE, 0);
  const end = Math.min(store.offset + store.bytes.length - line * LINE, LINE);
  return wordMask(start, end);
}

/**
 * Whether a power cut keeps or loses every word of a store as a whole.
 *
 * `store64` is one store (`store64` in native/store/durable.cc), and so is a write of 1, 2, 4 or 8 bytes that is aligned to its
 * length. Longer ones are memmove and memset, or stream whole lines with a memmove at either end (native/store/copy.cc and
 * native/arch), and those of glibc 2.36, run one instruction at a time with AVX-512, keep aligned words whole if the range
 * begins and ends at a word: vectors then begin and end at words. Otherwise they do not. 3, 5, 6 and 7 bytes are two stores;
 * vectors that are not aligned split words; and as the last vector is stored out of turn, and counted from the end of the range,
 * 100 bytes at an aligned offset tear a full word in the middle. `rep movsb`, for some KiB, promises nothing (Intel SDM,
 * volume 1, "Fast-String Operation"), but moves whole lines where both ends allow it.
 */
function keepsWords(kind: StoreKind, offset: number, length: number): boolean {
  if (kind === 'store64' || (offset % WORD === 0 && length % WORD === 0)) return true;
  return (length === 1 || length === 2 || length === 4) && offset % length === 0;
}

/** The words of {@link maskInLine} that can tear between their bytes. */
export function tearsInLine({ kind, offset, bytes, tears }: StoreEvent, line: number): number {
  if (tears !== undefined) return tears;
  if (keepsWords(kind, offset, bytes.length)) return 0;
  const start = Math.max(offset - line * LINE, 0);
  const end = Math.min(offset + bytes.length - line * LINE, LINE);
  // A single byte at either end cannot tear.
  const from = start % WORD === WORD - 1 ? start + 1 : start;
  const to = end % WORD === 1 ? end - 1 : end;
  return from < to ? wordMask(from, to) : 0;
}

/** The log of one run. */
export class StoreLog {
  readonly events: LogEvent[] = [];

  store(
    kind: StoreKind,
    offset: number,
    bytes: Uint8Array,
    site: CallSite | undefined,
    { mask, tears }: { readonly mask?: number; readonly tears?: number } = {},
  ): void {
    this.events.push({ type: 'store', index: this.events.length, kind, offset, bytes, mask, tears, site });
  }

  flush(offset: number, length: number, site: CallSite | undefined): void {
    this.events.push({ type: 'flush', index: this.events.length, offset, length, site });
  }

  drain(site: CallSite | undefined): void {
    this.events.push({ type: 'drain', index: this.events.length, site });
  }

  mark(type: MarkEvent['type']): void {
    this.events.push({ type, index: this.events.length });
  }

  /** Two runs with the same fingerprint did the same to memory, in the same order. FNV-1a, 32 bits. */
  fingerprint(): string {
    let hash = 0x811c9dc5;
    const take = (integer: number) => {
      hash = Math.imul(hash ^ (integer & 0xffff), 0x01000193);
      hash = Math.imul(hash ^ (integer >>> 16), 0x01000193);
    };
    for (const event of this.events) {
      for (let i = 0; i < event.type.length; i++) take(event.type.charCodeAt(i));
      if (event.type === 'store') {
        take(event.offset);
        take(event.bytes.length);
        for (const byte of event.bytes) hash = Math.imul(hash ^ byte, 0x01000193);
      } else if (event.type === 'flush') {
        take(event.offset);
        take(event.length);
      }
    }
    return (hash >>> 0).toString(16).padStart(8, '0');
  }
}
