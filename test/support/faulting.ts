/**
 * Faults in child processes. Functions that run in a child stand alone, so they import this file:
 * `const { … } = await import(FAULTING)`, where FAULTING is an argument.
 */

import { truncateSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Region } from 'pmem';

/** This file's URL, for children. */
export const FAULTING = import.meta.url;

/** What a child imports. */
export type Faulting = typeof import('./faulting.js');

/** Bytes of a region, and what truncating leaves of its file. */
const SIZE = 65536;
const LEFT = 4096;
/** Where a page is gone after truncating. */
export const LOST = 8192;

/** An addon of test/native. */
export function loadAddon<Addon>(file: string): Addon {
  return createRequire(import.meta.url)(file) as Addon;
}

/** A new region of 64 KiB that is flushed by cache lines. */
export function openNew(path: string): Region {
  return Region.open(path, { create: true, size: SIZE, assumePersistent: true });
}

/** Truncates the file to its first page: the others fault. */
export function truncate(path: string): void {
  truncateSync(path, LEFT);
}

/** The code of the error that the call throws, or 'done'. */
export function codeOfCall(call: () => unknown): string {
  try {
    call();
    return 'done';
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}

/** How a guarded read of a page that is gone ends: ERR_PMEM_TRUNCATED while our handler is first. */
export function readLost(region: Region, offset = LOST): string {
  const target = Buffer.alloc(8);
  return codeOfCall(() => region.read(offset, target));
}
