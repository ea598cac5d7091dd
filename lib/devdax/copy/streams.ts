/** Ends of a copy that go from front to back only. */

import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { systemError, wrongType } from '../../errors.js';

const ignore = (): void => {};

/** Bytes that come when they come. */
export class StreamInput {
  readonly #path: string | undefined;
  readonly #stream: Readable;
  readonly #pieces: AsyncIterator<unknown>;
  #rest: Uint8Array = Buffer.alloc(0);

  /** A stream that was passed in is left open, and may have been read further than was asked for. */
  constructor(input: string | Readable) {
    this.#path = typeof input === 'string' ? input : undefined;
    this.#stream = typeof input === 'string' ? createReadStream(input) : input;
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
    await this.#pieces.return?.();
    if (this.#path === undefined) return;
    this.#stream.on('error', ignore);
    this.#stream.destroy();
  }

  async #next(): Promise<boolean> {
    try {
      const { done, value } = await this.#pieces.next();
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

  /** A stream that was passed in is not ended. */
  constructor(output: string | Writable) {
    this.#path = typeof output === 'string' ? output : undefined;
    this.#stream = typeof output === 'string' ? createWriteStream(output, { flags: 'r+' }) : output;
    // What goes wrong comes back from write.
    this.#stream.on('error', ignore);
  }

  /** Pieces come in their order. Resolves when the bytes are needed no longer. */
  async write(_at: number, bytes: Buffer): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        this.#stream.write(bytes, (error) => (error ? reject(error) : resolve()));
      });
    } catch (error) {
      throw systemError(error, this.#path);
    }
  }

  async close(): Promise<void> {
    if (this.#path !== undefined && !this.#stream.destroyed) {
      this.#stream.end();
      await once(this.#stream, 'close');
    }
    this.#stream.off('error', ignore);
  }
}
