/** Which pages map a range of this process's memory, by the kernel's account (proc(5): smaps, pagemap). */

import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { native } from '../binding.js';

/** A mapping of this process, or the part of it that the kernel keeps account of by itself. */
export interface Vma {
  /** Addresses. */
  readonly begin: number;
  readonly end: number;
  /** Device and inode of what is mapped, as smaps writes them: `00:1a 4711`. */
  readonly file: string;
  /** Bytes in the pages of the kernel's account (KernelPageSize), and of the page table (MMUPageSize). */
  readonly kernelPageSize: number;
  readonly mmuPageSize: number;
}

const HEAD = /^([0-9a-f]+)-([0-9a-f]+) \S+ [0-9a-f]+ (\S+ \d+)/;

/** The mappings that have a part of the range. */
export function vmasIn(begin: number, length: number): Vma[] {
  const found: Vma[] = [];
  for (const entry of readFileSync('/proc/self/smaps', 'latin1').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
    const head = HEAD.exec(entry);
    if (head === null) continue;
    const from = Number.parseInt(head[1] ?? '', 16);
    const to = Number.parseInt(head[2] ?? '', 16);
    if (to <= begin || from >= begin + length) continue;
    const kib = (name: string) => 1024 * Number(new RegExp(`^${name}: *(\\d+) kB$`, 'm').exec(entry)?.[1] ?? 'NaN');
    const sizes = { kernelPageSize: kib('KernelPageSize'), mmuPageSize: kib('MMUPageSize') };
    found.push({ begin: from, end: to, file: head[3] ?? '', ...sizes });
  }
  return found;
}

/** Documentation/admin-guide/mm/pagemap.rst: 8 bytes for each page, the highest bit says that it is present. */
const ENTRY = 8;
const PRESENT = 0x80;
const MOST_ENTRIES = 1 << 16;

/**
 * Calls `each` with the number of pages present in each `unit` bytes of the range, until it returns false. The range and
 * the unit are multiples of the kernel's page.
 */
export function presentPages(
  begin: number,
  length: number,
  unit: number,
  each: (present: number, at: number) => boolean,
): void {
  const page = native.pageSize();
  const fd = openSync('/proc/self/pagemap', 'r');
  try {
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
        // The last one may be less than a whole unit.
        if (!each(present, at - (at % unit || unit))) return;
        present = 0;
      }
    }
  } finally {
    closeSync(fd);
  }
}

/** The smallest that is larger than the kernel's own, on every supported CPU with pages of 4 KiB. */
const HUGE = 2 * 2 ** 20;

/** Bytes in the smallest page that maps a part of the range; undefined: none does, or the kernel does not tell. */
export function mappedPageSize(address: number, size: number): number | undefined {
  const page = native.pageSize();
  const begin = address - (address % page);
  const end = Math.ceil((address + size) / page) * page;
  const configured = vmasIn(begin, end - begin).map(({ kernelPageSize }) => kernelPageSize);
  if (configured.length === 0 || size === 0) return undefined;
  const smallest = Math.min(...configured);
  if (smallest > page) return smallest;
  // Around it others may lie.
  let some = false;
  presentPages(begin, end - begin, page, (count) => {
    some = count > 0;
    return !some;
  });
  if (!some) return undefined;
  let present = 0;
  let whole = true;
  // Large pages lie in such units; what of one lies outside of the range maps the rest too.
  const from = begin - (begin % HUGE);
  const to = Math.ceil(end / HUGE) * HUGE;
  presentPages(from, to - from, HUGE, (count, at) => {
    const inside = from + at >= begin && from + at + HUGE <= end;
    if (count > 0 && !(count === HUGE / page && inside)) whole = false;
    present += count;
    return true;
  });
  if (!whole) return page;
  const huge = native.hugePages(begin, end - begin);
  if (huge < 0) return undefined;
  return huge === present * page ? HUGE : page;
}
