/** A Memory that loses what was not made durable, word by word, as a power cut may. */

import type { Durability, WriteMode } from 'pmem';
import { DerivedMemory } from './derived-memory.js';
import type { Random } from './random.js';

const WORD = 8;
const PAGE = 4096;

interface Span {
  readonly offset: number;
  readonly length: number;
}

/** Everything that it holds is in two Buffers: what programs see, and what is on the media. */
export class LossyMemory extends DerivedMemory {
  readonly size: number;
  readonly durability: Durability = {
    granularity: 'cache-line',
    mapSync: false,
    pageSize: 4096,
    assumed: true,
    volatile: false,
    below: 'persistent',
    reason: 'a test says so',
  };
  readonly lineOffset = 0;
  readonly readOnly: boolean = false;
  /** Names of the calls that were made. */
  readonly calls: string[] = [];
  /** Called before what was flushed becomes durable. */
  onDrain: (() => void) | undefined;
  readonly #seen: Buffer;
  readonly #media: Buffer;
  #flushed: Span[] = [];

  constructor(contents: number | Buffer) {
    super();
    this.#media = typeof contents === 'number' ? Buffer.alloc(contents) : Buffer.from(contents);
    this.#seen = Buffer.from(this.#media);
    this.size = this.#media.length;
  }

  view(offset = 0, length = this.size - offset): Buffer {
    this.calls.push('view');
    return this.#seen.subarray(offset, offset + length);
  }

  read(offset: number, target: Uint8Array): void {
    this.calls.push('read');
    target.set(this.#seen.subarray(offset, offset + target.length));
  }

  write(offset: number, source: Uint8Array, mode: WriteMode = 'store'): void {
    this.calls.push(`write ${mode}`);
    this.#seen.set(source, offset);
    this.#complete(offset, source.length, mode);
  }

  fill(offset: number, length: number, byte = 0, mode: WriteMode = 'store'): void {
    this.calls.push(`fill ${mode}`);
    this.#seen.fill(byte, offset, offset + length);
    this.#complete(offset, length, mode);
  }

  load64(offset: number): bigint {
    return this.#seen.readBigUInt64LE(offset);
  }

  store64(offset: number, value: bigint): void {
    this.#seen.writeBigUInt64LE(value, offset);
  }

  flush(offset: number, length: number): void {
    this.calls.push('flush');
    this.#flushed.push({ offset, length });
  }

  drain(): void {
    this.calls.push('drain');
    this.#settle();
  }

  override persist(offset: number, length: number): void {
    this.calls.push('persist');
    this.#flushed.push({ offset, length });
    this.#settle();
  }

  /** What a power cut now would leave: of the words that are not durable, some. */
  image(random: Random): Buffer {
    const image = Buffer.from(this.#media);
    // None, all, or of each word one or the other.
    const odds = random.pick([0, 1, 0.5]);
    for (let page = 0; page < image.length; page += PAGE) {
      const end = Math.min(page + PAGE, image.length);
      if (this.#seen.subarray(page, end).equals(this.#media.subarray(page, end))) continue;
      for (let at = page; at < end; at += WORD) {
        if (random.below(1000) < odds * 1000) this.#seen.copy(image, at, at, at + WORD);
      }
    }
    return image;
  }

  /** What is on the media is all there is. */
  cutPower(random: Random): void {
    this.image(random).copy(this.#media);
    this.#media.copy(this.#seen);
    this.#flushed = [];
  }

  #complete(offset: number, length: number, mode: WriteMode): void {
    if (mode === 'store') return;
    this.#flushed.push({ offset, length });
    if (mode === 'persist') this.#settle();
  }

  #settle(): void {
    this.onDrain?.();
    for (const { offset, length } of this.#flushed) this.#seen.copy(this.#media, offset, offset, offset + length);
    this.#flushed = [];
  }
}
