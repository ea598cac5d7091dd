/**
 * The rules of mapping a DAX device, all of them here, in the order in which the kernel looks: mm/mmap.c (ksys_mmap_pgoff,
 * do_mmap, get_unmapped_area) and drivers/dax/device.c (check_vma). Each refusal has the kernel's errno, names the rule, and
 * the nearest values that keep it. Ours are stricter in two ways: what the kernel maps and later kills for (SIGBUS) is refused at once;
 * and nothing is done otherwise than it was asked for: lengths are not rounded up to pages of 4 KiB, and a mapping goes to the given
 * address or nowhere, although for the kernel an address is a hint, or an order to replace what is mapped there.
 */

import { constants } from 'node:os';
import { native } from '../../binding.js';
import { errorName, PmemError } from '../../errors.js';
import { formatSize } from '../../units.js';
import { nearest } from '../nearest.js';
import { KNOWN_FLAGS, LOW_ADDRESS, MAP_TYPE, MapFlags } from './map-flags.js';

/** What a mapping is checked against. */
export interface Geometry {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Bytes. */
  readonly align: number;
  /** The descriptor is open for reading only. */
  readonly readOnly: boolean;
}

/** What mmap(2) would be asked for: 64-bit numbers, as the kernel gets them. */
export interface Attempt {
  readonly offset: bigint;
  readonly length: bigint;
  readonly flags: number;
  readonly writable: boolean;
  readonly address: bigint | undefined;
}

const { EACCES, EEXIST, EINVAL, ENOMEM, ENXIO, EOPNOTSUPP, EOVERFLOW, EPERM } = constants.errno;
/** Addresses end here (x86-64 with four levels of page tables; arm64 has 48 bits): nothing longer can be mapped anywhere. */
const MOST_ADDRESS = 2n ** (process.arch === 'arm64' ? 48n : 47n) - 4096n;
const MOST_64 = 2n ** 64n - 1n;
/** What distributions set vm.mmap_min_addr to. */
const MMAP_MIN_ADDRESS = 65_536;

function shown(bytes: number): string {
  return `${bytes} (${formatSize(bytes)})`;
}

/**
 * Throws what the kernel would answer, or should. Returns only if the mapping will be valid for its whole life.
 *
 * @param checkAlive throws if the device was reconfigured since it was opened
 */
export function checkMapping(attempt: Attempt, device: Geometry, checkAlive: () => void): void {
  const { offset, length, flags, writable, address } = attempt;
  const { path, size, align } = device;
  const page = BigInt(native.pageSize());
  const unit = BigInt(align);
  const type = flags & MAP_TYPE;
  const lastOffset = size - align;

  function refuse(errno: number, rule: string): never {
    const code = errorName(errno);
    throw new PmemError(code, `${code}: '${path}': ${rule}`, { errno, syscall: 'mmap', path });
  }
  const has = (flag: number) => (flags & flag) !== 0;

  // ---- the system call
  if (offset % page !== 0n) refuseOffset();
  if (has(MapFlags.ANONYMOUS)) {
    refuse(EINVAL, 'MAP_ANONYMOUS maps ordinary memory instead of the device; leave it out');
  }
  if (has(MapFlags.HUGETLB)) {
    refuse(EINVAL, `MAP_HUGETLB is for hugetlbfs; the device maps pages of ${formatSize(align)} by itself`);
  }

  // ---- do_mmap, get_unmapped_area
  if (length === 0n) refuse(EINVAL, `length 0 maps nothing; the least is the alignment, ${shown(align)}`);
  const rounded = BigInt.asUintN(64, ((length + page - 1n) / page) * page);
  if (rounded === 0n || rounded > MOST_ADDRESS) {
    refuse(ENOMEM, `length ${length} is more than there are addresses; the device has ${shown(size)}`);
  }
  if (address !== undefined) {
    if (address > MOST_ADDRESS - rounded) {
      refuse(ENOMEM, `address 0x${address.toString(16)} plus ${length} is past the last address`);
    }
    if (address % page !== 0n) refuseAddress(address);
    if (address === 0n) refuse(EPERM, 'the kernel keeps address 0 free (vm.mmap_min_addr); choose another');
    const errno = native.probeAddress(Number(address), Number(rounded));
    if (errno !== 0) refuseTaken(errno, address);
  }
  if (offset + rounded > MOST_64) {
    refuse(EOVERFLOW, `offset ${offset} plus length ${length} is more than 2^64; the device has ${shown(size)}`);
  }
  const isShared = type === MapFlags.SHARED || type === MapFlags.SHARED_VALIDATE;
  if (type === MapFlags.SHARED_VALIDATE && has(~KNOWN_FLAGS)) {
    const unknown = (flags & ~KNOWN_FLAGS).toString(16);
    const way = has(MapFlags.FIXED_NOREPLACE) ? ' (with an address MAP_SHARED is enough)' : '';
    refuse(EOPNOTSUPP, `MAP_SHARED_VALIDATE does not allow the flags 0x${unknown}; leave them out${way}`);
  }
  if (isShared && writable && device.readOnly) {
    refuse(EACCES, 'it was opened for reading only; map with readOnly: true, or open it for writing');
  }
  if (!isShared && type !== MapFlags.PRIVATE) {
    refuse(EINVAL, `flags 0x${flags.toString(16)} say neither MAP_SHARED (1) nor MAP_SHARED_VALIDATE (3)`);
  }
  if (has(MapFlags.GROWSDOWN)) refuse(EINVAL, 'MAP_GROWSDOWN is for stacks, not for files and devices');

  // ---- check_vma, which looks first whether the device is still alive
  checkAlive();
  if (type === MapFlags.PRIVATE) {
    refuse(EINVAL, 'a DAX device is never mapped privately (MAP_PRIVATE); map it shared, copy what must not change');
  }
  if (address !== undefined && address % unit !== 0n) refuseAddress(address);
  // With an address given, the kernel notices when the page is touched.
  if (offset % unit !== 0n) refuseOffset();
  if (length % unit !== 0n) {
    const room = offset < BigInt(size) ? size - Number(offset) : size;
    const legal = nearest(length, align, align, room);
    refuse(EINVAL, `length ${length} is not a multiple of the alignment, ${shown(align)}; nearest: ${legal}`);
  }

  // ---- what the kernel accepts, and this package does not do
  if (has(LOW_ADDRESS)) {
    refuse(EINVAL, 'MAP_32BIT (0x40) asks for an address below 2 GiB, which is not supported here; leave it out');
  }

  // ---- what the kernel accepts, and kills for later: POSIX has this error of mmap for offsets past the end of the object
  if (offset + length > BigInt(size)) {
    const rest =
      offset < BigInt(size)
        ? `at ${offset} at most ${BigInt(size) - offset} are left`
        : `the last offset is ${lastOffset}`;
    const range = `bytes ${offset} to ${offset + length - 1n}`;
    refuse(ENXIO, `${range} lie past the end of its ${shown(size)}, where touching is SIGBUS; ${rest}`);
  }

  function refuseOffset(): never {
    const legal = nearest(offset, align, 0, lastOffset);
    refuse(EINVAL, `offset ${offset} is not a multiple of the alignment, ${shown(align)}; nearest: ${legal}`);
  }
  function refuseTaken(errno: number, at: bigint): never {
    const place = `${length} bytes at address 0x${at.toString(16)}`;
    const why = errno === EEXIST ? `something is mapped in the ${place}` : `nothing can be mapped in the ${place}`;
    refuse(errno, `${why}; choose another, or leave address out`);
  }
  function refuseAddress(at: bigint): never {
    // From the first address that a process may map to the last at which the mapping still fits.
    const last = MOST_ADDRESS - (length > MOST_ADDRESS ? MOST_ADDRESS : length);
    const first = BigInt(Math.max(align, MMAP_MIN_ADDRESS));
    const legal = nearest(at, align, first, last - (last % unit), (one) => `0x${one.toString(16)}`);
    refuse(
      EINVAL,
      `address 0x${at.toString(16)} is not a multiple of the alignment, ${shown(align)}; nearest: ${legal}`,
    );
  }
}
