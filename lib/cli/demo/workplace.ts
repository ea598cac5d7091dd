/** Makes the demo's files, and removes them. */

import { closeSync, lstatSync, mkdtempSync, readSync, rmSync, statSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { PmemError, posixError, systemError } from '../../errors.js';
import { openDescriptor } from '../../memory/backing.js';
import { Region } from '../../memory/region/region.js';
import { HEADER_SIZE, MAGIC } from './record.js';

/** Bytes after the header, where records and measurements go. */
export const AREA = 16 * 2 ** 20;
/** Bytes of the demo's file. */
export const FILE_SIZE = HEADER_SIZE + AREA;

/** The demo's file, ready for use, and a directory for other files. */
export interface Workplace {
  readonly path: string;
  /** A directory of the demo on the same file system. */
  readonly directory: string;
  remove(): void;
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function isOurs(path: string): boolean {
  const fd = openDescriptor(path, false);
  try {
    const start = Buffer.alloc(MAGIC.length);
    readSync(fd, start, 0, start.length, 0);
    return start.equals(MAGIC);
  } finally {
    closeSync(fd);
  }
}

/** Makes room for a new file: removes the file of a demo that was killed, and refuses any other. */
function giveWay(path: string): void {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return;
  if (status.isFile() && isOurs(path)) {
    unlinkSync(path);
    return;
  }
  const what = status.isFile() ? 'is a file that no demo made' : 'is neither a directory nor a regular file';
  throw posixError(
    'EEXIST',
    `'${path}' ${what}, and is left alone. Name a directory, or a file that does not exist yet`,
    { path },
  );
}

function create(path: string, assumePersistent: boolean): void {
  // Exclusively: a file that appeared meanwhile is not ours.
  const region = Region.open(path, { create: true, exclusive: true, size: FILE_SIZE, assumePersistent });
  try {
    region.write(0, MAGIC, 'persist');
  } catch (error) {
    unlinkSync(path);
    throw error;
  } finally {
    region.close();
  }
}

/** In a new directory in the given one. */
function inside(parent: string, assumePersistent: boolean): Workplace {
  const directory = mkdtempSync(join(parent, 'pmem-demo-'));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  try {
    const path = join(directory, 'pmem-demo.dat');
    create(path, assumePersistent);
    return { path, directory, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

function atFile(path: string, assumePersistent: boolean): Workplace {
  giveWay(path);
  const directory = mkdtempSync(join(dirname(path), 'pmem-demo-'));
  const removeDirectory = () => rmSync(directory, { recursive: true, force: true });
  try {
    create(path, assumePersistent);
  } catch (error) {
    removeDirectory();
    throw error;
  }
  const remove = () => {
    removeDirectory();
    rmSync(path, { force: true });
  };
  return { path, directory, remove };
}

function isVolatile(error: unknown): error is PmemError {
  return error instanceof PmemError && error.code === 'ERR_PMEM_VOLATILE';
}

/** The first place that can be written to and is durable: the current directory, else the system's temporary directory. */
function anywhere(assumePersistent: boolean): Workplace {
  const places = [...new Set([process.cwd(), tmpdir()])];
  const refusals: unknown[] = [];
  for (const parent of places) {
    try {
      return inside(parent, assumePersistent);
    } catch (error) {
      refusals.push(error);
    }
  }
  const [first] = refusals;
  if (isVolatile(first) && refusals.every(isVolatile)) throw volatile(places, first);
  const reasons = refusals.map((one) => (one as Error).message).join('; ');
  throw new PmemError('ERR_PMEM_DEMO', `found no place for the demo's file; name one: pmem demo DIRECTORY. ${reasons}`);
}

/**
 * Makes the demo's file: in a new directory in the given one, or at the given path. An existing file is replaced only if a demo
 * made it.
 */
export function makeWorkplace(given: string | undefined, assumePersistent: boolean): Workplace {
  if (given === undefined) return anywhere(assumePersistent);
  const path = resolve(given);
  try {
    return isDirectory(path) ? inside(path, assumePersistent) : atFile(path, assumePersistent);
  } catch (error) {
    throw isVolatile(error)
      ? volatile([path], error)
      : systemError(error, path, 'Name a directory where files can be made');
  }
}

function volatile(paths: readonly string[], cause: PmemError): PmemError {
  const where = paths.map((path) => `'${path}'`).join(' or ');
  return new PmemError(
    cause.code,
    `nothing stored in ${where} survives power-off, so nothing there can be made durable. Name a place on a disk or on ` +
      'persistent memory, or pass --assume-persistent to see the demo as if the memory were persistent',
    { path: paths[0], cause },
  );
}
