/** Ends of a copy that go from front to back only. */

import { once } from 'node:events';
import { close, constants, createReadStream, createWriteStream, fstatSync, read } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { PmemError, systemError, wrongType } from '../../errors.js';
import { openSeen } from '../../linux/open.js';
import { isStream } from './probe-end.js';

const ignore = (): void => {};

/** What the promise comes to, unless the signal comes first. */
async function unlessAborted<Result>(promise: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (signal === undefined) return await promise;
  // Where nobody waits for it any more, how it fails is nobody's matter.
  promise.catch(ignore);
  signal.throwIfAborted();
  return await new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** Opens a stream, without waiting; whatever else is at the path by now is not opened. */
function openStream(path: string, flags: number): { fd: number; isFifo: boolean } {
  const check = (seen: number): void => {
    const status = fstatSync(seen, { bigint: true });
    if (isStream(status)) return;
    throw new PmemError('ENODEV', `ENODEV: '${path}' is no stream any more`, { path });
  };
  const fd = openSeen(path, { flags, check });
  return { fd, isFifo: fstatSync(fd).isFIFO() };
}

/** Node makes an interrupted read an error, and a stream ends with it. */
const PATIENT = {
  read: ((fd: number, buffer: Buffer, offset: number, length: number, position: number | null, done: Done) => {
    read(fd, buffer, offset, length, position, (error, count, bytes) => {
      if (error?.code === 'EINTR') PATIENT.read(fd, buffer, offset, length, position, done);
      else done(error, count, bytes);
    });
  }) as (...args: [number, Buffer, number, number, number | null, Done]) => void,
  close,
};
type Done = (error: NodeJS.ErrnoException | null, count: number, bytes: Buffer) => void;

/**
 * A FIFO is a Socket, which waits without a thread of its own: one that waits for a FIFO's other end cannot be ended, and
 * keeps the process alive. Opened without waiting, it has its first writer when there is something to read.
 */
function readerOf(path: string): Readable {
  const { fd, isFifo } = openStream(path, constants.O_RDONLY);
  return isFifo ? new Socket({ fd, readable: true, writable: false }) : createReadStream(path, { fd, fs: PATIENT });
}

/** Between two looks for a FIFO's reader, in ms: nothing tells when one is there. */
const PAUSE = 20;

/** Waits for a FIFO's reader, without a thread, and is never its own: a FIFO that is opened for reading too would be read by us. */
async function writerOf(path: string, signal: AbortSignal | undefined): Promise<Writable> {
  for (;;) {
    signal?.throwIfAborted();
    try {
      const { fd, isFifo } = openStream(path, constants.O_WRONLY);
      return isFifo ? new Socket({ fd, readable: false, writable: true }) : createWriteStream(path, { fd });
    } catch (error) {
      // ENXIO: nobody reads it yet.
      if ((error as { code?: string }).code !== 'ENXIO') throw error;
    }
    await unlessAborted(setTimeout(PAUSE), signal);
  }
}

/** Bytes that come when they come. */
export class StreamInput {
  readonly #path: string | undefined;
  readonly #stream: Readable;
  readonly #signal: AbortSignal | undefined;
  readonly #pieces: AsyncIterator<unknown>;
  #rest: Uint8Array = Buffer.alloc(0);

  /** A stream that was passed in is left open, and may have been read further than was asked for. */
  constructor(input: string | Readable, signal: AbortSignal | undefined) {
    this.#path = typeof input === 'string' ? input : undefined;
    this.#stream = typeof input === 'string' ? readerOf(input) : input;
    this.#signal = signal;
    this.#pieces = this.#stream.iterator({ destroyOnReturn: false });
  }

  /** Fills the target; returns the bytes, fewer only at the end. */
  async fill(target: Buffer): Promise<number> {
    let done = 0;
    while (done < target.length) {
      if (this.#rest.length === 0 && !(await this.#next())) break;
      const piece = this.#rest.subarray(0, target.length - done);
      target.set(piece, done);
      done += piece.length;
      this.#rest = this.#rest.subarray(piece.length);
    }
    return done;
  }

  async close(): Promise<void> {
    this.#stream.on('error', ignore);
    if (this.#path !== undefined) this.#stream.destroy();
    // Comes after the piece that is awaited, which may never come.
    const ended = this.#pieces.return?.().catch(ignore);
    if (this.#signal?.aborted !== true) await ended;
    if (this.#path === undefined) this.#stream.off('error', ignore);
  }

  async #next(): Promise<boolean> {
    try {
      const { done, value } = await unlessAborted(this.#pieces.next(), this.#signal);
      if (done === true) return false;
      if (!(value instanceof Uint8Array)) throw wrongType('options.input', 'a stream of Buffers', value);
      this.#rest = value;
      return true;
    } catch (error) {
      throw systemError(error, this.#path);
    }
  }
}

/** Where bytes go one after the other. */
export class StreamOutput {
  readonly #path: string | undefined;
  readonly #stream: Writable;
  readonly #signal: AbortSignal | undefined;
  #last: Promise<void> = Promise.resolve();

  private constructor(path: string | undefined, stream: Writable, signal: AbortSignal | undefined) {
    this.#path = path;
    this.#stream = stream;
    this.#signal = signal;
    // What goes wrong comes back from write.
    this.#stream.on('error', ignore);
  }

  /** A stream that was passed in is not ended. */
  static async open(output: string | Writable, signal: AbortSignal | undefined): Promise<StreamOutput> {
    if (typeof output !== 'string') return new StreamOutput(undefined, output, signal);
    try {
      return new StreamOutput(output, await writerOf(output, signal), signal);
    } catch (error) {
      throw systemError(error, output);
    }
  }

  /** The bytes belong to whoever made the stream once they were written: they must be nobody else's. */
  get keepsBytes(): boolean {
    return this.#path === undefined;
  }

  /** Pieces come in their order. Resolves when there is room for the next, and unless it {@link keepsBytes} they are gone. */
  async write(_at: number, bytes: Buffer): Promise<void> {
    const written = new Promise<void>((resolve, reject) => {
      this.#stream.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
    // Also of one that is not waited for any more.
    this.#last = written.catch(ignore);
    try {
      await unlessAborted(written, this.#signal);
    } catch (error) {
      throw systemError(error, this.#path);
    }
  }

  async close(): Promise<void> {
    if (this.#path !== undefined && !this.#stream.destroyed) {
      const closed = once(this.#stream, 'close');
      if (this.#signal?.aborted === true) this.#stream.destroy();
      else this.#stream.end();
      await closed;
    }
    // An error comes with the end of the write, and after it.
    if (this.#path === undefined) void this.#last.then(() => setImmediate(() => this.#stream.off('error', ignore)));
  }
}
