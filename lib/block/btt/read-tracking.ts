/** The blocks that another thread is reading: a writer must not store into them meanwhile. */

/** Linux has such a table too (RTT, Read Tracking Table, btt.rst). */
export class ReadTracking {
  readonly #readers = new Map<number, number>();

  get isActive(): boolean {
    return this.#readers.size > 0;
  }

  /** The number of blocks that are being read. */
  get count(): number {
    return this.#readers.size;
  }

  isRead(block: number): boolean {
    return this.#readers.size > 0 && this.#readers.has(block);
  }

  begin(block: number): void {
    this.#readers.set(block, (this.#readers.get(block) ?? 0) + 1);
  }

  end(block: number): void {
    const readers = this.#readers.get(block) ?? 1;
    if (readers === 1) this.#readers.delete(block);
    else this.#readers.set(block, readers - 1);
  }
}
