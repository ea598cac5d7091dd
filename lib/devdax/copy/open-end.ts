/** From a path or a stream to an end of a copy. Each path is opened once, so that the copy uses the file that was inspected. */

import { type BigIntStats, closeSync, constants, fstatSync, statSync } from 'node:fs';
import { posixError, systemError } from '../../errors.js';
import { inspect, openMappable } from '../../memory/backing.js';
import { takeExisting } from '../../memory/region/create.js';
import type { End } from './end.js';
import { FileEnd, type OpenFile } from './file-end.js';
import { MemoryEnd } from './memory-end.js';
import type { CheckedCopy } from './options.js';
import { isStream, StreamInput, StreamOutput } from './stream-ends.js';

const DEVICES: ReadonlySet<string> = new Set(['devdax', 'devmem', 'pci']);

function statusOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false, bigint: true });
  } catch (error) {
    throw systemError(error, path);
  }
}

/** Opens what can be mapped, or read and written at any place. Undefined: a stream, such as `/dev/zero` or a file in /proc. */
function openUnlessStream<Result>(path: string, status: BigIntStats, open: () => Result): Result | undefined {
  // A FIFO must not be opened twice.
  if (status.isFIFO()) return undefined;
  try {
    return open();
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENODEV') throw error;
    if (isStream(status)) return undefined;
    const advice = 'open it yourself, and pass the stream (on the command line: < and >)';
    const sentence = 'is no memory, and to open it could do something; if it is meant';
    throw posixError('ENODEV', `'${path}' ${sentence}, ${advice}`, { path, cause: error });
  }
}

/** What the descriptor is open on; closed where that cannot be told. */
function inspected(fd: number, path: string): OpenFile {
  try {
    const { dev, ino, rdev } = fstatSync(fd, { bigint: true });
    const identity = rdev === 0n ? `${dev}:${ino}` : `device ${rdev}`;
    return { fd, backing: inspect(fd, path), identity };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function isMapped({ backing }: OpenFile, emulate: boolean): boolean {
  return DEVICES.has(backing.kind) || (emulate && backing.kind === 'file');
}

function notThere(path: string): Error {
  const way = 'create it with its size first (truncate -s)';
  return posixError('ENOENT', `there is no '${path}' to be taken for a device; ${way}`, { path });
}

/** Undefined: zeroes. */
export function openInput({ input, emulateInput, signal }: CheckedCopy): End | undefined {
  if (input === undefined) return undefined;
  if (typeof input !== 'string') return new StreamInput(input, signal);
  const status = statusOf(input);
  if (status === undefined) {
    if (emulateInput) throw notThere(input);
    throw posixError('ENOENT', `there is no '${input}' to copy from`, { path: input });
  }
  const fd = openUnlessStream(input, status, () => openMappable(input, constants.O_RDONLY));
  if (fd === undefined) return new StreamInput(input, signal);
  const file = inspected(fd, input);
  if (!isMapped(file, emulateInput)) return FileEnd.reading(input, file);
  return new MemoryEnd(fd, file.backing, file.identity, { readOnly: true, assumePersistent: undefined });
}

/**
 * An output that exists: mapped devices, and what is taken for one, as `Region.open` opens them; a file only where no stranger can have
 * put it there. Undefined: it was deleted meanwhile.
 */
function openExisting(path: string, status: BigIntStats, emulate: boolean, verify: boolean): number | undefined {
  if (emulate || status.isCharacterDevice()) return openMappable(path, constants.O_RDWR);
  try {
    return takeExisting(path, constants.O_RDWR);
  } catch (error) {
    // A file that this user may write and not read.
    if (verify || (error as { code?: string }).code !== 'EACCES') throw error;
    return takeExisting(path, constants.O_WRONLY);
  }
}

/** What the copy goes to. Nothing is changed yet. */
export function openOutput({ output, emulateOutput, assumePersistent, verify, signal }: CheckedCopy): End {
  if (typeof output !== 'string') return new StreamOutput(output, signal);
  const status = statusOf(output);
  if (status === undefined && emulateOutput) throw notThere(output);
  const flags = verify ? constants.O_RDWR : constants.O_WRONLY;
  if (status === undefined) return FileEnd.writing(output, undefined, flags);
  const opened = openUnlessStream(output, status, () => ({
    fd: openExisting(output, status, emulateOutput, verify),
  }));
  if (opened === undefined) return new StreamOutput(output, signal);
  if (opened.fd === undefined) return FileEnd.writing(output, undefined, flags);
  const file = inspected(opened.fd, output);
  if (!isMapped(file, emulateOutput)) return FileEnd.writing(output, file, flags);
  return new MemoryEnd(file.fd, file.backing, file.identity, { readOnly: false, assumePersistent });
}
