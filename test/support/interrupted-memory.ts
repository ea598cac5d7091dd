/** A Memory around another one that runs a callback at one of its calls. */

import type { Durability, Memory, WriteMode } from 'pmem';
import { DerivedMemory } from './derived-memory.js';

/** The number of a call, from 0, and what runs before that call is passed on. If it throws, the call is not passed on. */
export interface Interruption {
  readonly at: number;
  readonly run: () => void;
}

/** The error that ends an operation in the middle. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

export class InterruptedMemory extends DerivedMemory {
  readonly #memory: Memory;
  #next: Interruption | undefined;
  /** Calls since {@link arm}. */
  calls = 0;

  constructor(memory: Memory) {
    super();
    this.#memory = memory;
  }

  /** Counts calls from now on, and interrupts one if asked to. */
  arm(interruption?: Interruption): void {
    this.calls = 0;
    this.#next = interruption;
  }

  get size(): number {
    return this.#memory.size;
  }

  get lineOffset(): number {
    return this.#memory.lineOffset;
  }

  get durability(): Durability {
    return this.#memory.durability;
  }

  view(offset?: number, length?: number): Buffer {
    return this.#memory.view(offset, length);
  }

  read(offset: number, target: Uint8Array): void {
    this.#step();
    this.#memory.read(offset, target);
  }

  override readText(offset: number, length: number, encoding?: BufferEncoding): string {
    this.#step();
    return this.#memory.readText(offset, length, encoding);
  }

  write(offset: number, source: Uint8Array, mode?: WriteMode): void {
    this.#step();
    this.#memory.write(offset, source, mode);
  }

  fill(offset: number, length: number, byte?: number, mode?: WriteMode): void {
    this.#step();
    this.#memory.fill(offset, length, byte, mode);
  }

  load64(offset: number): bigint {
    this.#step();
    return this.#memory.load64(offset);
  }

  store64(offset: number, value: bigint): void {
    this.#step();
    this.#memory.store64(offset, value);
  }

  flush(offset: number, length: number): void {
    this.#step();
    this.#memory.flush(offset, length);
  }

  drain(): void {
    this.#step();
    this.#memory.drain();
  }

  override persist(offset: number, length: number): void {
    this.#step();
    this.#memory.persist(offset, length);
  }

  #step(): void {
    const next = this.#next;
    if (this.calls++ !== next?.at) return;
    this.#next = undefined;
    next.run();
  }
}
