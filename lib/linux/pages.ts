/** The pages that map a range of this process's memory: proc(5), smaps and pagemap. */

import { closeSync, openSync, readSync } from 'node:fs';
import { native } from '../binding.js';
import { systemError } from '../errors.js';
import { least } from '../numbers.js';

/** A virtual memory area: a mapping of this process, or a part of one. */
export interface Vma {
  /** Address of the first byte. */
  readonly begin: number;
  /** Address past the last byte. */
  readonly end: number;
  /** Device and inode of the mapped file, as smaps writes them: `00:1a 4711`. */
  readonly file: string;
  /** KernelPageSize, bytes: the page size that the mapping was configured for. */
  readonly kernelPageSize: number;
  /** MMUPageSize, bytes: the page size of the page table. */
  readonly mmuPageSize: number;
}

const HEAD = /^([0-9a-f]+)-([0-9a-f]+) \S+ [0-9a-f]+ (\S+ \d+)/;

const SMAPS = '/proc/self/smaps';
const PAGEMAP = '/proc/self/pagemap';

/** Runs with an open file of /proc. Errors say what to do. */
function reading<Result>(path: string, run: (fd: number) => Result): Result {
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    return run(fd);
  } catch (error) {
    const advice =
      (error as { code?: string }).code === 'EMFILE'
        ? 'Close files, or allow more (ulimit -n)'
        : 'The kernel tells there which pages map memory; mount /proc';
    throw systemError(error, path, advice);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** The entries of smaps, by address. The kernel walks the pages of an entry when the entry is read. */
function* entriesOf(fd: number): Generator<string, void, void> {
  const bytes = Buffer.alloc(1 << 14);
  let rest = '';
  for (let got = readSync(fd, bytes); got > 0; got = readSync(fd, bytes)) {
    const entries = (rest + bytes.toString('latin1', 0, got)).split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
    rest = entries.pop() ?? '';
    yield* entries;
  }
  yield rest;
}

/** The areas that overlap the range. */
export function vmasIn(begin: number, length: number): Vma[] {
  return reading(SMAPS, (fd) => {
    const found: Vma[] = [];
    for (const entry of entriesOf(fd)) {
      const head = HEAD.exec(entry);
      if (head === null) continue;
      const from = Number.parseInt(head[1] ?? '', 16);
      const to = Number.parseInt(head[2] ?? '', 16);
      if (from >= begin + length) break;
      if (to <= begin) continue;
      const kib = (name: string) => 1024 * Number(new RegExp(`^${name}: *(\\d+) kB$`, 'm').exec(entry)?.[1] ?? 'NaN');
      const sizes = { kernelPageSize: kib('KernelPageSize'), mmuPageSize: kib('MMUPageSize') };
      found.push({ begin: from, end: to, file: head[3] ?? '', ...sizes });
    }
    return found;
  });
}

/** Documentation/admin-guide/mm/pagemap.rst: 8 bytes a page, whose highest bit tells that the page is present. */
const ENTRY = 8;
const PRESENT = 0x80;
const MOST_ENTRIES = 1 << 16;

/**
 * Calls `each` with the number of present pages in each `unit` bytes of the range, until `each` returns false. The range and the
 * unit are multiples of the kernel's page size.
 */
export function presentPages(
  begin: number,
  length: number,
  unit: number,
  each: (present: number, at: number) => boolean,
): void {
  const page = native.pageSize();
  reading(PAGEMAP, (fd) => {
    const entries = Buffer.alloc(ENTRY * Math.min(length / page, MOST_ENTRIES));
    let present = 0;
    for (let at = 0; at < length; ) {
      const wanted = Math.min(entries.length, (ENTRY * (length - at)) / page);
      const got = readSync(fd, entries, 0, wanted, (ENTRY * (begin + at)) / page);
      if (got <= 0) return;
      for (let i = ENTRY - 1; i < got; i += ENTRY) {
        if (((entries[i] as number) & PRESENT) !== 0) present++;
        at += page;
        if (at % unit !== 0 && at < length) continue;
        // The last unit may be shorter.
        if (!each(present, at - (at % unit || unit))) return;
        present = 0;
      }
    }
  });
}

/** The smallest page larger than the kernel's, on all supported CPUs with pages of 4 KiB. */
const HUGE = 2 * 2 ** 20;

/** The number of present pages in a range. */
function countPresent(begin: number, length: number): number {
  let count = 0;
  presentPages(begin, length, length, (present) => {
    count = present;
    return false;
  });
  return count;
}

/** The present pages in the range, and whether each lies in 2 MiB that are all present: else a small page maps some of them. */
function look(begin: number, end: number): { present: number; whole: boolean } {
  const page = native.pageSize();
  let [present, whole] = [0, true];
  const first = Math.min(Math.ceil(begin / HUGE) * HUGE, end);
  const last = Math.max(end - (end % HUGE), first);
  for (const [from, to] of [
    [begin, first],
    [last, end],
  ] as const) {
    const inside = from < to ? countPresent(from, to - from) : 0;
    if (inside === 0) continue;
    present += inside;
    // A large page that maps these bytes also maps the other bytes of its 2 MiB, outside of the range.
    if (countPresent(from - (from % HUGE), HUGE) < HUGE / page) whole = false;
  }
  if (first < last) {
    presentPages(first, last - first, HUGE, (count) => {
      present += count;
      if (count > 0 && count < HUGE / page) whole = false;
      return true;
    });
  }
  return { present, whole };
}

/**
 * Bytes of the smallest page that maps a part of the range; the configured page size where the mapping has only one. Undefined where
 * no page does, or the kernel does not tell.
 */
export function mappedPageSize(address: number, size: number): number | undefined {
  if (size === 0) return undefined;
  const page = native.pageSize();
  const begin = address - (address % page);
  const end = Math.ceil((address + size) / page) * page;
  const configured = vmasIn(begin, end - begin).map(({ kernelPageSize }) => kernelPageSize);
  if (configured.length === 0) return undefined;
  const smallest = least(configured);
  if (smallest > page) return smallest;
  const { present, whole } = look(begin, end);
  if (present === 0) return undefined;
  if (!whole) return page;
  const huge = native.hugePages(begin, end - begin);
  if (huge < 0) return undefined;
  return huge === present * page ? HUGE : page;
}
