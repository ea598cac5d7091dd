/** A log without checksums, with a word that counts its entries. And ways to get it wrong. */

import type { Memory } from 'pmem';

/** A flaw of the log. */
export type Flaw = 'no flush' | 'no drain' | 'commit first' | 'short flush' | 'torn commit' | 'needless flush';

const ENTRY = 128;
/** Entries begin after the line of the commit word. */
const FIRST = 64;

/** The first word counts the entries. An entry is a word with its length, and its text. */
export class AppendLog {
  readonly #memory: Memory;
  readonly #flaw: Flaw | undefined;

  constructor(memory: Memory, flaw?: Flaw) {
    this.#memory = memory;
    this.#flaw = flaw;
  }

  append(text: string): void {
    const memory = this.#memory;
    const count = Number(memory.load64(0));
    const offset = FIRST + count * ENTRY;
    const entry = Buffer.alloc(ENTRY);
    entry.writeBigUInt64LE(BigInt(text.length));
    entry.write(text, 8);
    if (this.#flaw === 'torn commit') {
      this.#appendTorn(offset, entry, count + 1);
      return;
    }
    if (this.#flaw === 'commit first') {
      memory.store64(0, BigInt(count + 1)); // commit first: the commit
      memory.persist(0, 8);
      memory.write(offset, entry); // commit first: the entry
      memory.persist(offset, ENTRY);
      return;
    }
    memory.write(offset, entry); // the entry
    if (this.#flaw === 'short flush') memory.flush(offset, 64);
    else if (this.#flaw !== 'no flush') memory.flush(offset, ENTRY);
    if (this.#flaw === 'needless flush') memory.flush(0, 8); // needless
    if (this.#flaw !== 'no drain') memory.drain();
    memory.store64(0, BigInt(count + 1)); // the commit
    memory.persist(0, 8); // the end
  }

  /** Has the sum of the lengths in the commit too, as if a power cut could not tear sixteen bytes. */
  #appendTorn(offset: number, entry: Buffer, count: number): void {
    const commit = Buffer.alloc(16);
    commit.writeBigUInt64LE(BigInt(count));
    commit.writeBigUInt64LE(this.#memory.load64(8) + entry.readBigUInt64LE(), 8);
    this.#memory.write(offset, entry, 'persist');
    this.#memory.write(0, commit, 'persist'); // torn
  }

  entries(): string[] {
    const count = Number(this.#memory.load64(0));
    const entries: string[] = [];
    let sum = 0;
    const entry = Buffer.alloc(ENTRY);
    for (let i = 0; i < count; i++) {
      this.#memory.read(FIRST + i * ENTRY, entry);
      const length = Number(entry.readBigUInt64LE());
      sum += length;
      entries.push(entry.toString('latin1', 8, 8 + length));
    }
    if (this.#flaw === 'torn commit' && this.#memory.load64(8) !== BigInt(sum)) throw new Error('the sum is wrong');
    return entries;
  }
}
