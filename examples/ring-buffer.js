// @ts-check
/**
 * Messages from one process to another through memory that both have mapped. What was sent is there after a power cut, until it was taken.
 *
 *     node examples/ring-buffer.js [FILE]        starts a second process, and takes what it sends
 *
 * Format: two words in cache lines of their own, then slots of 64 bytes. Messages are counted from 0; number n is in slot n modulo slots.
 *
 *       0  sent   8 bytes: messages that were sent; only the sender stores it
 *      64  taken  8 bytes: messages that were taken; only the receiver stores it
 *     128  slots  length (1 byte) and text of up to 63 bytes
 *
 * store64 comes after all stores before it: who sees `sent` by load64 sees the message. Each side makes durable what it saw of the other
 * side's word before it builds on it: the other process may be between its store64 and its persist. Otherwise a power cut could leave
 * more messages taken than sent, or a slot that is used again before its message counts as taken.
 */

import { spawn } from 'node:child_process';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Region } from 'pmem';

const [AT_SENT, AT_TAKEN, AT_SLOTS] = [0, 64, 128];
const SLOT = 64;

export class RingBuffer {
  /** @param {import('pmem').Memory} memory all zero the first time */
  constructor(memory) {
    this.memory = memory;
    this.slots = Math.floor((memory.size - AT_SLOTS) / SLOT);
  }

  get sent() {
    return Number(this.memory.load64(AT_SENT));
  }

  get taken() {
    return Number(this.memory.load64(AT_TAKEN));
  }

  /** Durable on return. @param {string} text @returns {boolean} false while there is no room */
  send(text) {
    const bytes = Buffer.from(text);
    if (bytes.length >= SLOT) throw new RangeError('a message has at most 63 bytes');
    const { sent, taken } = this;
    if (sent - taken === this.slots) return false;
    if (sent >= this.slots) this.memory.persist(AT_TAKEN, 8); // before the slot is used again
    const at = AT_SLOTS + SLOT * (sent % this.slots);
    this.memory.write(at, Buffer.concat([Buffer.of(bytes.length), bytes]), 'persist'); // first the message …
    this.#store(AT_SENT, sent + 1); // … then the word that makes it count
    return true;
  }

  /** @returns {string | undefined} the oldest message, which is gone then; undefined while there is none */
  take() {
    const { taken } = this;
    if (taken === this.sent) return undefined;
    this.memory.persist(AT_SENT, 8); // before the message counts as taken
    const at = AT_SLOTS + SLOT * (taken % this.slots);
    const length = Buffer.alloc(1);
    this.memory.read(at, length);
    const text = this.memory.readText(at + 1, Math.min(length.readUInt8(), SLOT - 1)); // a copy: the sender may go on
    this.#store(AT_TAKEN, taken + 1);
    return text;
  }

  /** @param {number} at @param {number} value */
  #store(at, value) {
    this.memory.store64(at, BigInt(value));
    this.memory.persist(at, 8);
  }
}

/** Both processes store: neither may lock the other out. @param {string} path */
const open = (path) => Region.open(path, { create: true, size: 4096, shared: true });

/** @param {string} path */
async function sender(path) {
  const ring = new RingBuffer(open(path));
  for (let i = 0; i < 100; i++) while (!ring.send(`message ${i}`)) await turn();
}

/** @param {string} path */
async function receiver(path) {
  const ring = new RingBuffer(open(path));
  spawn(process.execPath, [fileURLToPath(import.meta.url), path, 'send'], { stdio: 'inherit' });
  let last = '';
  for (let count = 0; count < 100; ) {
    const text = ring.take();
    if (text === undefined) await turn();
    else [last, count] = [text, count + 1];
  }
  console.log(`the last one is '${last}'`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [path = 'ring.pmem', role] = process.argv.slice(2);
  await (role === 'send' ? sender(path) : receiver(path));
}
