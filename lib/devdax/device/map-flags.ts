/** The flags of mmap(2) (include/uapi/asm-generic/mman-common.h, mman.h, linux/mman.h): but for two, the same on x86-64 and arm64. */

/** Flags of `device.map({ flags })`: numbers of mmap(2), combined by `|`. */
export const MapFlags = {
  /** The default. */
  SHARED: 0x01,
  /** Never allowed on a DAX device: `EINVAL`. */
  PRIVATE: 0x02,
  /** As `SHARED`; flags that the kernel does not know are `EOPNOTSUPP`. */
  SHARED_VALIDATE: 0x03,
  /** With `address`. Unlike the kernel's, it refuses an address that is taken, as `FIXED_NOREPLACE` does. */
  FIXED: 0x10,
  /** Does not map the device: `EINVAL`. */
  ANONYMOUS: 0x20,
  GROWSDOWN: 0x0100,
  DENYWRITE: 0x0800,
  EXECUTABLE: 0x1000,
  /** On DAX it populates, as nothing can be swapped out. The limit of locked memory (RLIMIT_MEMLOCK) does not apply. */
  LOCKED: 0x2000,
  /** Ignored: huge pages are always reserved. */
  NORESERVE: 0x4000,
  /** The same as the option `populate`. */
  POPULATE: 0x8000,
  NONBLOCK: 0x10000,
  STACK: 0x20000,
  /** For hugetlbfs only: `EINVAL`. */
  HUGETLB: 0x40000,
  /** With `SHARED_VALIDATE`: accepted, and without effect, as a device has no metadata. */
  SYNC: 0x80000,
  FIXED_NOREPLACE: 0x100000,
} as const;

/** The bits that say how a mapping is shared (MAP_TYPE). */
export const MAP_TYPE = 0x0f;

/** Sizes of huge pages, in the bits from 26 on. */
const SIZES = 0x7c00_0000;

/** An address below 2 GiB (MAP_32BIT), on x86-64 only: refused, as this package places no mapping there. */
export const LOW_ADDRESS = process.arch === 'x64' ? 0x40 : 0;
/** An address above 4 GiB (MAP_ABOVE4G), on x86-64 only: accepted, as all mappings are there. */
const HIGH_ADDRESS = process.arch === 'x64' ? 0x80 : 0;

/** include/linux/mman.h, LEGACY_MAP_MASK, and MAP_SYNC, which DAX devices support. */
export const KNOWN_FLAGS =
  MapFlags.SHARED_VALIDATE |
  MapFlags.FIXED |
  MapFlags.ANONYMOUS |
  MapFlags.GROWSDOWN |
  MapFlags.DENYWRITE |
  MapFlags.EXECUTABLE |
  MapFlags.LOCKED |
  MapFlags.NORESERVE |
  MapFlags.POPULATE |
  MapFlags.NONBLOCK |
  MapFlags.STACK |
  MapFlags.HUGETLB |
  MapFlags.SYNC |
  SIZES |
  LOW_ADDRESS |
  HIGH_ADDRESS;
