/** What a copy is asked for. */

import { Readable, Writable } from 'node:stream';
import { outOfRange, wrongType, wrongValue } from '../../errors.js';
import { checkPath } from '../../memory/region/options.js';
import {
  booleanOption,
  type CheckedJob,
  choiceOption,
  functionOption,
  JOB_OPTIONS,
  type JobOptions,
  jobOptions,
  ownOptions,
  type Progress,
  sizeOption,
} from '../../options.js';
import type { Size } from '../../units.js';

/** Options of {@link copyDevice}. */
export interface CopyOptions {
  /** A device, a file, or a stream to be read to its end; left out with `zero`. */
  readonly input?: string | Buffer | URL | Readable | undefined;
  /**
   * A device, a file, or a stream, which is not ended. A file that does not exist is created, for this user only (0o600); one that exists
   * is never truncated, and is taken only where no stranger can have put it. None is created through a symbolic link.
   */
  readonly output: string | Buffer | URL | Writable;
  /** Bytes of the input that are left out. Default 0. */
  readonly skip?: Size | undefined;
  /** Where in the output to begin, in bytes. Default 0. */
  readonly seek?: Size | undefined;
  /** Bytes to copy. Default: all of the input from `skip` on, or with `zero` all of the output from `seek` on. */
  readonly length?: Size | undefined;
  /** The output must be a file that does not exist yet, else `EEXIST`. Default false. */
  readonly exclusive?: boolean | undefined;
  /** Store zeroes instead of an input. Default false. */
  readonly zero?: boolean | undefined;
  /** Read both again afterwards and compare them; what came from a stream is remembered by its checksums (CRC-32). Default false. */
  readonly verify?: boolean | undefined;
  /** Which regular files are taken for devices: mapped, and never extended. Default: none. */
  readonly emulate?: 'input' | 'output' | 'both' | undefined;
  /** As of `Region.open`: treat flushed stores as persistent although the kernel does not confirm it (tmpfs). */
  readonly assumePersistent?: boolean | undefined;
  /** Stops between two chunks of 8 MiB; the promise rejects with the signal's reason, and what was copied stays. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Called after each chunk, in bytes, with `phase` `'copy'` and then `'verify'`. `total` is Infinity while a stream may go on. What it
   * throws ends the copy.
   */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /**
   * Called before the first byte is stored on a device that is not blank where the copy goes, with what is there: `an XFS file system`,
   * `data`. What it throws ends the copy. Not called for PCI resources: to read their registers can change them.
   */
  readonly onOverwrite?: ((what: string) => void) | undefined;
}

/** {@link CopyOptions}, checked. */
export interface CheckedCopy extends CheckedJob {
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
  readonly onOverwrite: CopyOptions['onOverwrite'];
}

const COPY_OPTIONS = [
  ...['input', 'output', 'skip', 'seek', 'length', 'exclusive', 'zero', 'verify', 'emulate'],
  ...['assumePersistent', 'onOverwrite', ...JOB_OPTIONS],
];

/** Checks types, values and combinations; nothing has been opened yet when it throws. */
export function checkCopy(given: CopyOptions): CheckedCopy {
  const options = ownOptions(given, COPY_OPTIONS);
  const { input, output } = options;
  const job = jobOptions(options as JobOptions);
  const onOverwrite = functionOption(options.onOverwrite, 'onOverwrite');
  const zero = booleanOption(options.zero, 'zero', false);
  const verify = booleanOption(options.verify, 'verify', false);
  const exclusive = booleanOption(options.exclusive, 'exclusive', false);
  const assumePersistent = booleanOption(options.assumePersistent, 'assumePersistent');
  const emulate = choiceOption(options.emulate, 'emulate', ['input', 'output', 'both'], undefined);
  if (zero && input !== undefined) throw wrongValue('options.input', 'left out with zero', input);
  if (!zero && input === undefined) throw wrongType('options.input', 'a path or a stream, or zero set', input);
  const from = input === undefined || input instanceof Readable ? input : checkPath(input);
  const to = output instanceof Writable ? output : checkPath(output);
  const skip = sizeOption(options.skip, 'skip') ?? 0;
  const seek = sizeOption(options.seek, 'seek') ?? 0;
  const length = sizeOption(options.length, 'length');
  for (const [name, start] of Object.entries({ skip, seek })) {
    const end = start + (length ?? 0);
    if (!Number.isSafeInteger(end)) throw outOfRange(`options.${name} + options.length`, 'at most 2^53 - 1', end);
  }
  if (typeof from !== 'string' && skip > 0) throw wrongValue('options.skip', 'left out without a path', skip);
  if (typeof to !== 'string' && exclusive) throw wrongValue('options.exclusive', 'left out for a stream', exclusive);
  if (typeof to !== 'string' && seek > 0) throw wrongValue('options.seek', 'left out for a stream', seek);
  return {
    ...job,
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
    onOverwrite,
  };
}
