/** Huge pages of the host, reserved for one suite. Needs root. */

import { closeSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { loadKernel } from './native.js';

const COUNT = '/proc/sys/vm/nr_hugepages';
const MIB = 2 ** 20;
export const HUGE = 2 * MIB;
/** memfd_create(2): MFD_HUGETLB | MFD_ALLOW_SEALING | MFD_HUGE_2MB. */
const MFD_HUGE = 4 | 2 | (21 << 26);

function count(name: 'Free' | 'Rsvd'): number {
  return Number(new RegExp(`^HugePages_${name}: *(\\d+)$`, 'm').exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0);
}

/** Pages that are reserved for mappings, and not touched yet. */
export function reservedPages(): number {
  return count('Rsvd');
}

/** Pages that are still available. */
export function freePages(): number {
  return count('Free') - count('Rsvd');
}

/** Reserves the given number of pages of 2 MiB for the suite. If there are too few, skips the suite; in CI it throws. Call it in `describe`. */
export function hugePages(wanted: number): void {
  let old: string | undefined;
  before(function () {
    const missing = wanted - freePages();
    if (missing <= 0) return;
    let reason = 'only root can reserve huge pages';
    if (existsSync(COUNT) && process.getuid?.() === 0) {
      old = readFileSync(COUNT, 'utf8').trim();
      writeFileSync(COUNT, String(Number(old) + missing));
      reason = 'there is no memory in pieces of 2 MiB';
    }
    if (freePages() >= wanted) return;
    if (process.env['CI'] === 'true') throw new Error(`no huge pages: ${reason}`);
    console.log(`      skipped: no huge pages: ${reason}`);
    this.skip();
  });
  after(() => {
    if (old !== undefined) writeFileSync(COUNT, old);
  });
}

/** A memfd on huge pages of 2 MiB, as a path. */
export function hugeMemfd(size: number, seals = 0): { readonly path: string; close(): void } {
  const kernel = loadKernel();
  const fd = kernel.memfd(MFD_HUGE, size);
  if (fd < 0) throw new Error(`memfd_create: errno ${-fd}`);
  if (seals !== 0 && kernel.seal(fd, seals) !== 0) throw new Error('the memfd cannot be sealed');
  return { path: `/proc/self/fd/${fd}`, close: () => closeSync(fd) };
}

/** Skips the test if the kernel has no memfd on huge pages; in CI it throws. */
export function hugeMemfds(context: Mocha.Context): void {
  try {
    hugeMemfd(HUGE).close();
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    console.log(`      skipped: ${(error as Error).message}`);
    context.skip();
  }
}
