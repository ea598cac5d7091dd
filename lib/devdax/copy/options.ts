/** What a copy is asked for. */

import { Readable, Writable } from 'node:stream';
import { outOfRange, wrongType, wrongValue } from '../../errors.js';
import { checkAsyncOptions, checkPath } from '../../memory/region/options.js';
import { booleanOption, ownOptions } from '../../options.js';
import { parseSize, type Size } from '../../units.js';

/** Options of {@link copyDevice}. */
export interface CopyOptions {
  /** A device, a file, or a stream to be read to its end; left out with `zero`. */
  readonly input?: string | Buffer | URL | Readable | undefined;
  /**
   * A device, a file, or a stream, which is not ended. A file is made if it is not there, for this user only (0o600), and never
   * truncated. One that is there is taken only where no stranger can have put it; none is made through a symbolic link.
   */
  readonly output: string | Buffer | URL | Writable;
  /** Bytes of the input that are left out. Default 0. */
  readonly skip?: Size | undefined;
  /** Where in the output to begin, in bytes. Default 0. */
  readonly seek?: Size | undefined;
  /** Bytes. By default all of the input from `skip` on, or with `zero` all of the output from `seek` on. */
  readonly length?: Size | undefined;
  /** The output has to be a file that is not there yet, else `EEXIST`. */
  readonly exclusive?: boolean | undefined;
  /** Stores zeroes instead of an input. */
  readonly zero?: boolean | undefined;
  /** Reads both again afterwards and compares them; of a stream, what came is remembered by its checksums (CRC-32). */
  readonly verify?: boolean | undefined;
  /** Which regular files are taken for devices: mapped, and never made longer. */
  readonly emulate?: 'input' | 'output' | 'both' | undefined;
  /** Says that what is flushed survives power-off although the kernel promises nothing (tmpfs). */
  readonly assumePersistent?: boolean | undefined;
  /** Stops between two pieces; the promise rejects with the signal's reason, and what was copied stays. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each piece. */
  readonly onProgress?: ((progress: CopyProgress) => void) | undefined;
  /**
   * Called before the first byte is stored on a device that is not blank where the copy goes, with what is there: `an XFS file
   * system`, `data`. What it throws ends the copy. Not asked of PCI resources, whose registers reading can change.
   */
  readonly onOverwrite?: ((what: string) => void) | undefined;
}

/** How far a copy, or its verification, has come. */
export interface CopyProgress {
  readonly phase: 'copy' | 'verify';
  /** Bytes. */
  readonly done: number;
  /** Bytes; undefined while a stream may go on. */
  readonly total: number | undefined;
}

/** Options after they were checked. */
export interface CheckedCopy {
  /** Undefined: zeroes. */
  readonly input: string | Readable | undefined;
  readonly output: string | Writable;
  readonly skip: number;
  readonly seek: number;
  readonly length: number | undefined;
  readonly exclusive: boolean;
  readonly verify: boolean;
  readonly emulateInput: boolean;
  readonly emulateOutput: boolean;
  readonly assumePersistent: boolean | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: CopyOptions['onProgress'];
  readonly onOverwrite: CopyOptions['onOverwrite'];
}

const KNOWN = [
  ...['input', 'output', 'skip', 'seek', 'length', 'exclusive', 'zero', 'verify', 'emulate'],
  ...['assumePersistent', 'signal', 'onProgress', 'onOverwrite'],
];

function sizeOf(value: Size | undefined, name: string): number | undefined {
  return value === undefined ? undefined : parseSize(value, `options.${name}`);
}

/** Checks types, values and combinations; nothing has been opened yet when it throws. */
export function checkCopy(given: CopyOptions): CheckedCopy {
  const options = ownOptions(given, KNOWN);
  const { signal, onProgress, onOverwrite, emulate, input, output } = options;
  checkAsyncOptions(options as { signal?: AbortSignal });
  if (onOverwrite !== undefined && typeof onOverwrite !== 'function') {
    throw wrongType('options.onOverwrite', 'a function', onOverwrite);
  }
  const zero = booleanOption(options.zero, 'zero', false);
  const verify = booleanOption(options.verify, 'verify', false);
  const exclusive = booleanOption(options.exclusive, 'exclusive', false);
  const assumePersistent = booleanOption(options.assumePersistent, 'assumePersistent');
  if (emulate !== undefined && emulate !== 'input' && emulate !== 'output' && emulate !== 'both') {
    throw wrongValue('options.emulate', "'input', 'output' or 'both'", emulate);
  }
  if (zero && input !== undefined) throw wrongValue('options.input', 'left out with zero', input);
  if (!zero && input === undefined) throw wrongType('options.input', 'a path or a stream, or zero set', input);
  const from = input === undefined || input instanceof Readable ? input : checkPath(input);
  const to = output instanceof Writable ? output : checkPath(output);
  const skip = sizeOf(options.skip, 'skip') ?? 0;
  const seek = sizeOf(options.seek, 'seek') ?? 0;
  const length = sizeOf(options.length, 'length');
  for (const [name, start] of Object.entries({ skip, seek })) {
    const end = start + (length ?? 0);
    if (!Number.isSafeInteger(end)) throw outOfRange(`options.${name} + options.length`, 'at most 2^53 - 1', end);
  }
  if (typeof from !== 'string' && skip > 0) throw wrongValue('options.skip', 'left out without a path', skip);
  if (typeof to !== 'string' && exclusive) throw wrongValue('options.exclusive', 'left out for a stream', exclusive);
  if (typeof to !== 'string' && seek > 0) throw wrongValue('options.seek', 'left out for a stream', seek);
  return {
    input: from,
    output: to,
    skip,
    seek,
    length,
    exclusive,
    verify,
    emulateInput: emulate === 'input' || emulate === 'both',
    emulateOutput: emulate === 'output' || emulate === 'both',
    assumePersistent,
    signal,
    onProgress,
    onOverwrite,
  };
}
