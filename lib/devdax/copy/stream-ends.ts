/** Ends of a copy that go from front to back only. */

import { once } from 'node:events';
import { type BigIntStats, close, constants, createReadStream, createWriteStream, fstatSync, read } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { isUint8Array } from 'node:util/types';
import { posixError, systemError, wrongType } from '../../errors.js';
import { openSeen } from '../../linux/open.js';
import { deviceNumber } from '../../linux/sysfs/read.js';
import type { End } from './end.js';

/** Numbers of devices that are read or written like a file, and do nothing when they are opened: null, zero, full, random, urandom. */
const HARMLESS: ReadonlySet<string> = new Set(['1:3', '1:5', '1:7', '1:8', '1:9']);

/** Whether bytes can come from it or go to it in order, though it cannot be mapped. */
export function isStream(status: BigIntStats): boolean {
  if (status.isCharacterDevice()) return HARMLESS.has(deviceNumber(status.rdev));
  // A regular file that cannot be mapped is one of the kernel's.
  return status.isFIFO() || status.isFile();
}

const ignore = (): void => {};

/** Settles as the promise does, unless the signal is aborted first. */
async function unlessAborted<Result>(promise: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (signal === undefined) return await promise;
  // Its failure must not be an unhandled rejection once nobody waits for it.
  promise.catch(ignore);
  signal.throwIfAborted();
  return await new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** Opens a stream without waiting, and nothing else that may be at the path by now. */
function openStream(path: string, flags: number): { fd: number; isFifo: boolean } {
  const check = (seen: number): void => {
    const status = fstatSync(seen, { bigint: true });
    if (isStream(status)) return;
    throw posixError('ENODEV', `'${path}' is no stream any more`, { path });
  };
  const fd = openSeen(path, { flags, check });
  return { fd, isFifo: fstatSync(fd).isFIFO() };
}

/** Node.js reports an interrupted read as an error, which would end the stream. */
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
 * A FIFO is read by a Socket, which waits without a thread: a thread that waits for the other end of a FIFO cannot be ended, and keeps
 * the process alive. Opened without waiting, the FIFO has a writer when there is something to read.
 */
function readerOf(path: string): Readable {
  const { fd, isFifo } = openStream(path, constants.O_RDONLY);
  return isFifo ? new Socket({ fd, readable: true, writable: false }) : createReadStream(path, { fd, fs: PATIENT });
}

/** Between two attempts to open a FIFO for writing, in ms: nothing tells when it has a reader. */
const PAUSE = 20;

/** Waits for the reader of a FIFO without a thread. It never opens the FIFO for reading too: that would count as a reader. */
async function writerOf(path: string, signal: AbortSignal | undefined): Promise<Writable> {
  for (;;) {
    signal?.throwIfAborted();
    try {
      const { fd, isFifo } = openStream(path, constants.O_WRONLY);
      return isFifo ? new Socket({ fd, readable: false, writable: true }) : createWriteStream(path, { fd });
    } catch (error) {
      // ENXIO: it has no reader yet.
      if ((error as { code?: string }).code !== 'ENXIO') throw error;
    }
    await unlessAborted(setTimeout(PAUSE), signal);
  }
}

/** Bytes that come when they come. */
export class StreamInput implements End {
  readonly kind = 'stream';
  readonly size = undefined;
  readonly identity = undefined;
  readonly grows = true;
  readonly keepsBytes = false;
  readonly #path: string | undefined;
  readonly #signal: AbortSignal | undefined;
  #stream: Readable | undefined;
  #chunks: AsyncIterator<unknown> | undefined;
  #rest: Uint8Array = Buffer.alloc(0);

  /** A stream that was passed in is left open, and may have been read further than was asked for. */
  constructor(input: string | Readable, signal: AbortSignal | undefined) {
    if (typeof input === 'string') this.#path = input;
    else this.#stream = input;
    this.#signal = signal;
  }

  async begin(_base: number, length: number): Promise<void> {
    if (length === 0) return;
    if (this.#path !== undefined) this.#stream = readerOf(this.#path);
    this.#chunks = this.#stream?.iterator({ destroyOnReturn: false });
  }

  contents(): undefined {}

  async window(): Promise<undefined> {}

  /** In order, whatever the offset. */
  async read(_offset: number, target: Buffer): Promise<number> {
    let done = 0;
    while (done < target.length) {
      if (this.#rest.length === 0 && !(await this.#next())) break;
      const part = this.#rest.subarray(0, target.length - done);
      target.set(part, done);
      done += part.length;
      this.#rest = this.#rest.subarray(part.length);
    }
    return done;
  }

  async write(): Promise<void> {
    throw new Error('an input is not written to');
  }

  async zero(): Promise<void> {
    throw new Error('an input is not written to');
  }

  async settle(): Promise<void> {}

  async finish(): Promise<boolean> {
    return false;
  }

  async close(): Promise<void> {
    const stream = this.#stream;
    if (stream === undefined || this.#chunks === undefined) return;
    stream.on('error', ignore);
    if (this.#path !== undefined) stream.destroy();
    // Resolves after the chunk that is awaited, which may never come.
    const ended = this.#chunks.return?.().catch(ignore);
    if (this.#signal?.aborted !== true) await ended;
    if (this.#path === undefined) stream.off('error', ignore);
  }

  async #next(): Promise<boolean> {
    if (this.#chunks === undefined) return false;
    try {
      const { done, value } = await unlessAborted(this.#chunks.next(), this.#signal);
      if (done === true) return false;
      if (!isUint8Array(value)) throw wrongType('options.input', 'a stream of Buffers', value);
      this.#rest = value;
      return true;
    } catch (error) {
      throw systemError(error, this.#path);
    }
  }
}

/** Where bytes go one after the other. */
export class StreamOutput implements End {
  readonly kind = 'stream';
  readonly size = undefined;
  readonly identity = undefined;
  readonly grows = true;
  readonly #path: string | undefined;
  readonly #signal: AbortSignal | undefined;
  #stream: Writable | undefined;
  #last: Promise<void> = Promise.resolve();
  #hasBegun = false;

  /** A stream that was passed in is not ended. */
  constructor(output: string | Writable, signal: AbortSignal | undefined) {
    if (typeof output === 'string') this.#path = output;
    else this.#stream = output;
    this.#signal = signal;
  }

  async begin(_base: number, length: number): Promise<void> {
    if (length === 0) return;
    if (this.#path !== undefined) this.#stream = await opened(this.#path, this.#signal);
    // What goes wrong is told by write.
    this.#stream?.on('error', ignore);
    this.#hasBegun = true;
  }

  /** A stream that was passed in may hold the bytes on: they must not be reused. */
  get keepsBytes(): boolean {
    return this.#path === undefined;
  }

  contents(): undefined {}

  async window(): Promise<undefined> {}

  async read(): Promise<number> {
    throw new Error('a stream cannot be read again');
  }

  /** In order, whatever the offset. Resolves when there is room for more; unless it {@link keepsBytes} the bytes are gone then. */
  async write(_offset: number, bytes: Buffer): Promise<void> {
    const written = new Promise<void>((resolve, reject) => {
      this.#stream?.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
    // A failure after nobody waits any more is not unhandled.
    this.#last = written.catch(ignore);
    try {
      await unlessAborted(written, this.#signal);
    } catch (error) {
      throw systemError(error, this.#path);
    }
  }

  async zero(offset: number, length: number): Promise<void> {
    await this.write(offset, Buffer.alloc(length));
  }

  async settle(): Promise<void> {}

  async finish(): Promise<boolean> {
    return false;
  }

  async close(): Promise<void> {
    const stream = this.#stream;
    if (stream === undefined || !this.#hasBegun) return;
    if (this.#path !== undefined && !stream.destroyed) {
      const closed = once(stream, 'close');
      if (this.#signal?.aborted === true) stream.destroy();
      else stream.end();
      await closed;
    }
    // An error comes with the end of the write, and after it.
    if (this.#path === undefined) void this.#last.then(() => setImmediate(() => stream.off('error', ignore)));
  }
}

async function opened(path: string, signal: AbortSignal | undefined): Promise<Writable> {
  try {
    return await writerOf(path, signal);
  } catch (error) {
    throw systemError(error, path);
  }
}
