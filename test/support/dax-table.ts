/** Attempts to map a DAX device, as data: what the kernel answers to each, and what DaxDevice does. */

import { MapFlags } from 'pmem/devdax';

/** How an attempt ends: mapped and readable at both ends, a signal on touch, or an errno. */
export type Answer = 'ok' | 'SIGBUS' | `E${string}`;

/** One attempt. */
export interface Row {
  readonly name: string;
  readonly offset: bigint;
  readonly length: bigint;
  /** Default MAP_SHARED. */
  readonly flags?: number;
  readonly address?: bigint;
  /** Map for reading only. */
  readonly readOnly?: boolean;
  /** On a descriptor that is open for reading only. */
  readonly readOnlyDescriptor?: boolean;
  /** Of mmap(2), and then of touching both ends. */
  readonly kernel: Answer;
  /** Of DaxDevice, on the device and emulated alike. */
  readonly ours: Answer;
  /** What is to be said of the two. */
  readonly verdict: Verdict;
}

/** They agree; ours refuses what the kernel maps and then kills for; ours refuses what the kernel does in its own way. */
export type Verdict = 'agree' | 'refused before SIGBUS' | 'stricter by our own rule';

const { SHARED, PRIVATE, SHARED_VALIDATE, SYNC, FIXED, FIXED_NOREPLACE, POPULATE, LOCKED, NORESERVE } = MapFlags;
const { STACK, DENYWRITE, EXECUTABLE, NONBLOCK, GROWSDOWN, HUGETLB } = MapFlags;
/** No flag of mmap(2) has this bit. */
const UNKNOWN = 0x400;
/** MAP_32BIT, of x86-64. */
const LOW_ADDRESS = 0x40;
const PAGE = 4096n;
/** Far from where the kernel places anything by itself. */
export const FREE = 0x2000_0000_0000n;

type Request = Omit<Row, 'name' | 'kernel' | 'ours' | 'verdict'>;

/** Where something must be mapped before the table is gone through. */
export const TAKEN = 0x3000_0000_0000n;

/** The table for a device. */
export function table(align: number, size: number): Row[] {
  const a = BigInt(align);
  const s = BigInt(size);
  const one = { offset: 0n, length: a };
  const rows: Row[] = [];
  const both = (answer: Answer, name: string, request: Request) =>
    rows.push({ name, ...request, kernel: answer, ours: answer, verdict: 'agree' });
  /** The kernel maps it, and kills whoever touches it: refused at once. */
  const before = (ours: Answer, name: string, request: Request) =>
    rows.push({ name, ...request, kernel: 'SIGBUS', ours, verdict: 'refused before SIGBUS' });
  /** The kernel makes something else of it than was asked for, and is content. */
  const stricter = (ours: Answer, name: string, request: Request) =>
    rows.push({ name, ...request, kernel: 'ok', ours, verdict: 'stricter by our own rule' });

  both('ok', 'the whole device', { offset: 0n, length: s });
  both('ok', 'its first page', one);
  both('ok', 'its last page', { offset: s - a, length: a });
  both('ok', 'its first two pages', { offset: 0n, length: 2n * a });
  both('ok', 'all but its first page', { offset: a, length: s - a });
  both('ok', 'for reading', { ...one, readOnly: true });
  both('ok', 'for reading, on a descriptor for reading', { ...one, readOnly: true, readOnlyDescriptor: true });
  both('ok', 'MAP_SHARED_VALIDATE', { ...one, flags: SHARED_VALIDATE });
  both('ok', 'MAP_SHARED_VALIDATE and MAP_SYNC', { ...one, flags: SHARED_VALIDATE | SYNC });
  both('ok', 'MAP_SHARED and MAP_SYNC, which is then ignored', { ...one, flags: SHARED | SYNC });
  both('ok', 'MAP_SHARED and an unknown flag', { ...one, flags: SHARED | UNKNOWN });
  both('ok', 'MAP_NORESERVE', { ...one, flags: SHARED | NORESERVE });
  both('ok', 'MAP_STACK, MAP_DENYWRITE, MAP_EXECUTABLE', { ...one, flags: SHARED | STACK | DENYWRITE | EXECUTABLE });
  both('ok', 'MAP_NONBLOCK', { ...one, flags: SHARED | NONBLOCK });
  both('ok', 'a free address', { ...one, address: FREE, flags: SHARED | FIXED_NOREPLACE });
  both('ok', 'a free address, MAP_FIXED', { ...one, address: FREE, flags: SHARED | FIXED });
  both('ok', 'a free address, the second page', {
    offset: a,
    length: a,
    address: FREE,
    flags: SHARED | FIXED_NOREPLACE,
  });
  if (align < 2 ** 30) {
    // 1 GiB more of page cache than the emulating machine has memory.
    both('ok', 'MAP_POPULATE', { ...one, flags: SHARED | POPULATE });
    both('ok', 'MAP_LOCKED', { ...one, flags: SHARED | LOCKED });
  }

  both('EINVAL', 'no length', { offset: 0n, length: 0n });
  both('EINVAL', 'no length, in the middle', { offset: a, length: 0n });
  both('EINVAL', 'offset 1', { offset: 1n, length: a });
  both('EINVAL', 'offset 2048', { offset: 2048n, length: a });
  both('EINVAL', 'offset 4095', { offset: 4095n, length: a });
  both('EINVAL', 'offset -1', { offset: -1n, length: a });
  both('EINVAL', 'an offset off by a byte, past the end', { offset: s + 1n, length: a });
  both('EOVERFLOW', 'offset -4096', { offset: -PAGE, length: a });
  both('EOVERFLOW', 'the last offset of 64 bits', { offset: 2n ** 64n - a, length: a });
  both('EOVERFLOW', 'that offset, privately', { offset: 2n ** 64n - a, length: a, flags: PRIVATE });
  both('ENOMEM', 'length -1', { offset: 0n, length: -1n });
  both('ENOMEM', 'length 2^64 less a page', { offset: 0n, length: 2n ** 64n - a });
  both('ENOMEM', 'length 2^63', { offset: 0n, length: 2n ** 63n });
  both('ENOMEM', 'length 2^47', { offset: 0n, length: 2n ** 47n });
  both('ENOMEM', 'length 2^47, privately', { offset: 0n, length: 2n ** 47n, flags: PRIVATE });
  both('EINVAL', 'MAP_PRIVATE', { ...one, flags: PRIVATE });
  both('EINVAL', 'MAP_PRIVATE, for reading', { ...one, flags: PRIVATE, readOnly: true });
  both('EINVAL', 'MAP_PRIVATE and MAP_SYNC', { ...one, flags: PRIVATE | SYNC });
  both('EINVAL', 'MAP_PRIVATE on a descriptor for reading', { ...one, flags: PRIVATE, readOnlyDescriptor: true });
  both('EINVAL', 'MAP_PRIVATE at a free address', { ...one, flags: PRIVATE | FIXED_NOREPLACE, address: FREE });
  both('EINVAL', 'no word of sharing', { ...one, flags: 0 });
  both('EINVAL', 'an unknown type', { ...one, flags: 4 });
  both('EINVAL', 'another unknown type', { ...one, flags: 15 });
  both('EINVAL', 'MAP_GROWSDOWN', { ...one, flags: SHARED | GROWSDOWN });
  both('EINVAL', 'MAP_HUGETLB', { ...one, flags: SHARED | HUGETLB });
  both('EINVAL', 'MAP_HUGETLB without a length', { offset: 0n, length: 0n, flags: SHARED | HUGETLB });
  both('ENOTSUP', 'MAP_SHARED_VALIDATE and an unknown flag', { ...one, flags: SHARED_VALIDATE | UNKNOWN });
  both('ENOTSUP', 'that on a descriptor for reading', {
    ...one,
    flags: SHARED_VALIDATE | UNKNOWN,
    readOnlyDescriptor: true,
  });
  both('ENOTSUP', 'MAP_SHARED_VALIDATE and MAP_FIXED_NOREPLACE', {
    ...one,
    flags: SHARED_VALIDATE | FIXED_NOREPLACE,
    address: FREE,
  });
  both('EACCES', 'for storing, on a descriptor for reading', { ...one, readOnlyDescriptor: true });
  both('EACCES', 'that past the end', { offset: s, length: a, readOnlyDescriptor: true });
  both('EINVAL', 'that without a length', { offset: 0n, length: 0n, readOnlyDescriptor: true });
  both('EINVAL', 'an address off by a byte', { ...one, address: FREE + 1n, flags: SHARED | FIXED_NOREPLACE });
  both('ENOMEM', 'an address behind all others', { ...one, address: 2n ** 47n, flags: SHARED | FIXED_NOREPLACE });
  both('ENOMEM', 'the last address of 64 bits', { ...one, address: 2n ** 64n - a, flags: SHARED | FIXED_NOREPLACE });
  both('EEXIST', 'an address that is taken', { ...one, address: TAKEN, flags: SHARED | FIXED_NOREPLACE });

  before('ENXIO', 'past the end', { offset: s, length: a });
  before('ENXIO', 'past the end, for reading', { offset: s, length: a, readOnly: true });
  before('ENXIO', 'past the end, with MAP_SYNC', { offset: s, length: a, flags: SHARED_VALIDATE | SYNC });
  before('ENXIO', 'past the end, at a free address', {
    offset: s,
    length: a,
    address: FREE,
    flags: SHARED | FIXED_NOREPLACE,
  });
  before('ENXIO', 'across the end', { offset: s - a, length: 2n * a });
  before('ENXIO', 'a page more than the device', { offset: 0n, length: s + a });
  before('ENXIO', 'far past the end', { offset: 2n ** 50n, length: a });
  before('ENXIO', 'at the middle of 64 bits', { offset: 2n ** 63n, length: a });
  // Any closer the kernel leaves the address to chance.
  before('ENXIO', 'four pages before the last offset of 64 bits', { offset: 2n ** 64n - 4n * a, length: a });

  both('ok', 'a free address as a hint', { ...one, address: FREE });
  stricter('EINVAL', 'a byte less than a page, which the kernel rounds up', { offset: 0n, length: a - 1n });
  stricter('EEXIST', 'an address that is taken, MAP_FIXED: the kernel replaces what is there', {
    ...one,
    address: TAKEN,
    flags: SHARED | FIXED,
  });
  if (align < 2 ** 30 && process.arch === 'x64') {
    stricter('EINVAL', 'MAP_32BIT', { ...one, flags: SHARED | LOW_ADDRESS });
  }
  if (a === PAGE) {
    // Of larger pages the kernel leaves it to chance whether the address that it takes instead is aligned.
    stricter('EEXIST', 'an address that is taken as a hint: the kernel takes another', { ...one, address: TAKEN });
    stricter('EINVAL', 'an address off by a byte as a hint, which the kernel rounds up', {
      ...one,
      address: FREE + 1n,
    });
    stricter('EINVAL', 'length 1, which the kernel rounds up', { offset: 0n, length: 1n });
  } else {
    both('EINVAL', 'length 1', { offset: 0n, length: 1n });
  }

  if (a > PAGE) {
    both('EINVAL', 'a length of 4 KiB', { offset: 0n, length: PAGE });
    both('EINVAL', '4 KiB less than a page', { offset: 0n, length: a - PAGE });
    both('EINVAL', '4 KiB more than a page', { offset: 0n, length: a + PAGE });
    both('EINVAL', 'a page and a half', { offset: 0n, length: a + a / 2n });
    // Of less than two pages the kernel leaves the address to chance.
    both('EINVAL', 'offset 4096', { offset: PAGE, length: 2n * a });
    both('EINVAL', 'half a page', { offset: a / 2n, length: 2n * a });
    both('EINVAL', '4 KiB before the second page', { offset: a - PAGE, length: 2n * a });
    both('EINVAL', 'half a page past the end', { offset: s + a / 2n, length: 2n * a });
    both('EINVAL', 'an address off by 4 KiB', { ...one, address: FREE + PAGE, flags: SHARED | FIXED_NOREPLACE });
    both('EINVAL', 'an address off by half a page', {
      ...one,
      address: FREE + a / 2n,
      flags: SHARED | FIXED_NOREPLACE,
    });
    both('EACCES', 'half a page, for storing, on a descriptor for reading', {
      offset: 0n,
      length: a / 2n,
      readOnlyDescriptor: true,
    });
    both('EEXIST', 'half a page, at an address that is taken', {
      offset: 0n,
      length: a / 2n,
      address: TAKEN,
      flags: SHARED | FIXED_NOREPLACE,
    });
  }
  return rows;
}
