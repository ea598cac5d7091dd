/**
 * The guarantee that each fault brings in one page of `align` bytes: given where the backing can keep it, and verified there by what
 * /proc says of the mapping.
 */

import { native, Status } from '../../binding.js';
import { errorName, PmemError } from '../../errors.js';
import { presentPages, vmasIn } from '../../linux/pages.js';
import type { Backing } from '../../memory/backing.js';
import { least } from '../../numbers.js';
import { formatSize } from '../../units.js';

/** What is guaranteed of the faults in a device's mappings. */
export interface FaultGuarantee {
  /** Each fault brings in one page of `pageSize` bytes, neither more nor less. */
  readonly given: boolean;
  /** Bytes: the device's alignment where the guarantee is given; else the least that a fault can bring in. */
  readonly pageSize: number;
  /** The source in /proc: the page sizes of the mapping (`smaps`), or the pages that single touches brought in (`pagemap`). */
  readonly verifiedBy: 'smaps' | 'pagemap' | undefined;
  /** Why the guarantee is given, or why not, in a sentence. */
  readonly reason: string;
  /** Rules of a DAX device that nothing enforces here, in sentences; empty for a real device. */
  readonly missing: readonly string[];
}

/** A mapping to be verified. */
export interface Examined {
  readonly handle: number;
  /** Bytes. */
  readonly size: number;
  readonly readOnly: boolean;
  /** Where it begins in the device, in bytes. */
  readonly offset: number;
}

/** The outcome of verifying, without what concerns the device as a whole. */
export type Verdict = Omit<FaultGuarantee, 'missing'>;

/** How a backing maps. */
export type FaultKind = 'pages of its own' | 'dax' | 'none';

const MIB = 2 ** 20;
const PMD = 2 * MIB;

/** What can keep the guarantee: page tables of huge pages only, DAX faults, or nothing. */
export function faultKind({ kind, pageSize }: Pick<Backing, 'kind' | 'pageSize'>, syncErrno: number): FaultKind {
  if (kind === 'devdax') return 'pages of its own';
  if (kind !== 'file') return 'none';
  if (pageSize > native.pageSize()) return 'pages of its own';
  return syncErrno === 0 ? 'dax' : 'none';
}

/** Why a backing can never give the guarantee at this alignment, in a sentence; undefined: it may. */
export function hindrance(
  backing: Pick<Backing, 'kind' | 'pageSize' | 'fileSystem'>,
  how: FaultKind,
  align: number,
): string | undefined {
  const { kind, pageSize, fileSystem } = backing;
  if (how === 'pages of its own') {
    if (align === pageSize) return undefined;
    return `it has pages of ${formatSize(pageSize)}, and each fault brings in one of them`;
  }
  if (how === 'dax') {
    if (align <= PMD) return undefined;
    return `a DAX file is mapped by at most ${formatSize(PMD)} at once`;
  }
  if (kind === 'devmem' || kind === 'pci') {
    return `mmap itself maps all of its pages of ${formatSize(pageSize)}, and no fault brings any in`;
  }
  const where = fileSystem === undefined ? 'it' : `on ${fileSystem.type} it`;
  return `${where} is mapped from the page cache, where a fault may bring in pages around it, and pages of any size`;
}

/** The refusal of a backing that cannot give the guarantee. */
export function noGuarantee(path: string, align: number, reason: string): PmemError {
  const larger = align > native.pageSize() ? `hugetlbfs or a memfd with pages of ${formatSize(align)}, ` : '';
  return new PmemError(
    'ERR_PMEM_FAULT_GRANULARITY',
    `'${path}' cannot guarantee that each fault brings in ${formatSize(align)}: ${reason}. Use ${larger}a DAX device, or a file ` +
      `on ext4 or xfs with '-o dax' and extents aligned to it; to go without the guarantee, pass emulate: true`,
    { path },
  );
}

function bySmaps({ handle, size }: Examined, align: number): Verdict {
  const vmas = vmasIn(native.addressOf(handle), size);
  const sizes = vmas.flatMap(({ kernelPageSize, mmuPageSize }) => [kernelPageSize, mmuPageSize]);
  const smallest = least(sizes);
  const given = vmas.length > 0 && sizes.every((one) => one === align);
  const reason = given
    ? `the kernel maps it by pages of ${formatSize(align)} only`
    : `the kernel maps it by pages of ${formatSize(smallest)}`;
  return { given, pageSize: given ? align : smallest, verifiedBy: 'smaps', reason };
}

/** Touches a page; throws where that fails. */
function touch(examined: Examined, at: number, path: string): void {
  const status = native.populate(examined.handle, at, native.pageSize(), !examined.readOnly);
  if (status === 0) return;
  const offset = examined.offset + at;
  const where = `at offset ${offset} of '${path}' the page is unavailable`;
  if (status === Status.closed)
    throw new PmemError('ERR_PMEM_CLOSED', `'${path}' was closed meanwhile`, { path, offset });
  const why = 'the file was truncated, the disk is full, or the media failed';
  const code = status > 0 ? errorName(status) : 'ERR_PMEM_FAULT';
  throw new PmemError(code, `${code}: ${where}: ${why}`, { path, offset });
}

/** Bytes that are looked at between two reports of progress. */
const STEP = 64 * PMD;
/** Up to so many bytes every page of 4 KiB is touched; past it, one in each 2 MiB. */
const MOST_EACH = 32 * PMD;

/** Which pages are touched: one in each `stride` bytes, in several passes, each of them one page further. No other page may come in. */
interface Sampling {
  readonly stride: number;
  readonly passes: number;
  readonly told: string;
}

function samplingOf(align: number, size: number): Sampling {
  const page = native.pageSize();
  const told = `each fault of which was seen to bring in ${formatSize(align)}`;
  if (align >= PMD) return { stride: align, passes: 1, told };
  // Every other page, and then the pages between them: a page that came in beside them would be seen.
  if (size <= MOST_EACH) return { stride: 2 * page, passes: 2, told };
  const sampled = `faults on one page in each ${formatSize(PMD)} of which were seen to bring in ${formatSize(align)}`;
  return { stride: PMD, passes: 1, told: sampled };
}

/** Takes the pages out of the mapping again: the user's first faults are to bring them in. */
function takeOut(examined: Examined, from: number, length: number, path: string): void {
  const errno = native.unpopulate(examined.handle, from, length);
  if (errno === 0) return;
  if (errno === Status.closed) throw new PmemError('ERR_PMEM_CLOSED', `'${path}' was closed meanwhile`, { path });
  const code = errorName(errno);
  const message = `${code}: the pages of '${path}' that were touched to verify the mapping cannot be taken out of it again; device.faults would not count its first faults`;
  throw new PmemError(code, message, { errno, path, offset: examined.offset + from });
}

/**
 * Touches pages of the mapping, which nobody has touched before, and looks which pages came in: on DAX a fault maps all that it brings in.
 * Yields the bytes looked at so far. The pages are taken out again.
 */
function* byPagemap(examined: Examined, align: number, path: string): Generator<number, Verdict, void> {
  const { handle, size } = examined;
  const page = native.pageSize();
  const begin = native.addressOf(handle);
  const expected = align / page;
  const { stride, passes, told } = samplingOf(align, size);
  let wrong: { at: number; present: number } | undefined;
  for (let from = 0; from < size && wrong === undefined; from += STEP) {
    const to = Math.min(from + STEP, size);
    for (let pass = 0; pass < passes && wrong === undefined; pass++) {
      const first = from + pass * page;
      for (let at = first; at < to; at += stride) touch(examined, at, path);
      presentPages(begin + from, to - from, stride, (present, at) => {
        if (present !== (first + at < to ? expected : 0)) wrong = { at: from + at, present };
        return wrong === undefined;
      });
      takeOut(examined, from, to - from, path);
    }
    yield to;
  }
  if (wrong === undefined) {
    return { given: true, pageSize: align, verifiedBy: 'pagemap', reason: `a DAX file, ${told}` };
  }
  const { at, present } = wrong;
  const cause = present < expected ? `; its extents there are not aligned to ${formatSize(align)}` : '';
  const reason = `at offset ${examined.offset + at} a fault brings in ${formatSize(present * page)}${cause}`;
  return { given: false, pageSize: page, verifiedBy: 'pagemap', reason };
}

/** Verifies a mapping that nobody has touched yet. Yields the bytes looked at so far, where that takes long. */
export function* verify(
  examined: Examined,
  backing: Backing,
  how: FaultKind,
  align: number,
): Generator<number, Verdict, void> {
  const reason = hindrance(backing, how, align);
  if (reason !== undefined) return { given: false, pageSize: backing.pageSize, verifiedBy: undefined, reason };
  if (how === 'pages of its own') return bySmaps(examined, align);
  return yield* byPagemap(examined, align, backing.path);
}
