/**
 * Signatures of formats, for naming what would be overwritten. The list cannot be complete: bytes without a signature are data, too
 * (`contents.ts`).
 */

/** One signature. */
export interface Signature {
  /** The format, with its article: `an XFS file system`. */
  readonly what: string;
  /** Offset of the signature in that many bytes; out of range where they are too few. */
  readonly at: (size: number) => number;
  readonly bytes: Buffer;
  /** The format is a partition table. */
  readonly isTable: boolean;
}

type Place = number | ((size: number) => number);

function signature(what: string, place: Place, bytes: string, isTable = false): Signature {
  const at = typeof place === 'number' ? () => place : place;
  return { what, at, bytes: Buffer.from(bytes, 'latin1'), isTable };
}

/** A signature at each of the places. */
function each(what: string, places: readonly Place[], bytes: string): Signature[] {
  return places.map((place) => signature(what, place, bytes));
}

/** This many bytes before the end. */
function beforeEnd(distance: number): Place {
  return (size) => size - distance;
}

function down(value: number, unit: number): number {
  return value - (value % unit);
}

const KIB = 1024;
const MIB = 2 ** 20;

/** Linux, drivers/nvdimm/pfn.h, btt.h, label.h; PMDK, pool headers. */
const PERSISTENT_MEMORY = [
  signature('a BTT (version 1.1)', 4096, 'BTT_ARENA_INFO\0\0'),
  signature('a BTT (version 2.0)', 0, 'BTT_ARENA_INFO\0\0'),
  signature('an fsdax namespace', 4096, 'NVDIMM_PFN_INFO\0'),
  signature('a device-DAX namespace', 4096, 'NVDIMM_DAX_INFO\0'),
  signature('an NVDIMM label area', 0, 'NAMESPACE_INDEX\0'),
  signature('a PMDK pool', 0, 'PMEMBLK\0'),
  signature('a PMDK pool', 0, 'PMEMOBJ\0'),
  signature('a PMDK pool', 0, 'PMEMLOG\0'),
  signature('a PMDK pool set', 0, 'PMEMPOOLSET'),
];

/** OpenZFS on-disk format: four labels of 256 KiB, two at each end, whose list of names and values begins at 16 KiB, in XDR. */
const ZFS_LABELS: readonly Place[] = [
  0,
  256 * KIB,
  (size) => down(size, 256 * KIB) - 512 * KIB,
  (size) => down(size, 256 * KIB) - 256 * KIB,
];

function within(places: readonly Place[], offset: number): Place[] {
  return places.map((place) => (size: number) => (typeof place === 'number' ? place : place(size)) + offset);
}

/** Formats that other devices are made of: LUKS, LVM2 (a label in one of the first four sectors), md(4), DDF 2.0, bcache, VDO, ZFS. */
const STACKED = [
  signature('a LUKS volume', 0, 'LUKS\xba\xbe'),
  ...each('an LVM physical volume', [0, 512, 1024, 1536], 'LABELONE'),
  // The uint32 7, the length of the first name in the list, and the name; after the header (12 bytes) and two sizes (8).
  ...each('a ZFS pool', within(ZFS_LABELS, 16 * KIB + 20), '\0\0\0\x07version'),
  // The uberblocks' ring, from 128 KiB on: the first one, of either endianness.
  ...each('a ZFS pool', within(ZFS_LABELS, 128 * KIB), '\x0c\xb1\xba\0\0\0\0\0'),
  ...each('a ZFS pool', within(ZFS_LABELS, 128 * KIB), '\0\0\0\0\0\xba\xb1\x0c'),
  ...each('an MD RAID member', [0, 4096, (size) => down(size - 8 * KIB, 4096)], '\xfc\x4e\x2b\xa9'),
  ...each('an MD RAID member', [(size) => down(size, 64 * KIB) - 64 * KIB], '\xfc\x4e\x2b\xa9'),
  ...each('an MD RAID member', [(size) => down(size, 64 * KIB) - 64 * KIB], '\xa9\x2b\x4e\xfc'),
  signature('a DDF RAID member', beforeEnd(512), '\xde\x11\xde\x11'),
  signature('an Intel RAID member', beforeEnd(1024), 'Intel Raid ISM Cfg Sig. '),
  signature('a bcache device', 4096 + 24, '\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81'),
  signature('a bcachefs file system', 4096 + 24, '\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef'),
  signature('a VDO volume', 0, 'dmvdo001'),
  signature('a BitLocker volume', 3, '-FVE-FS-'),
  signature('a Ceph BlueStore', 0, 'bluestore block device'),
  signature('dm-verity hashes', 0, 'verity\0\0'),
  signature('a dm-integrity device', 0, 'integrt\0'),
  ...each('swap space', [4096 - 10, 8192 - 10, 16_384 - 10, 65_536 - 10], 'SWAPSPACE2'),
  ...each('swap space', [4096 - 10, 8192 - 10, 16_384 - 10, 65_536 - 10], 'SWAP-SPACE'),
];

/** Linux, include/uapi/linux/magic.h and the file systems' super blocks; ECMA-119 (ISO 9660), ECMA-167 (UDF); NTFS, exFAT, FAT. */
const FILE_SYSTEMS = [
  signature('an ext2, ext3 or ext4 file system', 1024 + 56, '\x53\xef'),
  signature('an XFS file system', 0, 'XFSB'),
  signature('a Btrfs file system', 64 * KIB + 64, '_BHRfS_M'),
  signature('an F2FS file system', 1024, '\x10\x20\xf5\xf2'),
  signature('an EROFS file system', 1024, '\xe2\xe1\xf5\xe0'),
  signature('a SquashFS file system', 0, 'hsqs'),
  signature('a SquashFS file system', 0, 'sqsh'),
  signature('a JFS file system', 32 * KIB, 'JFS1'),
  signature('a NILFS2 file system', 1024 + 6, '\x34\x34'),
  signature('a GFS2 file system', 64 * KIB, '\x01\x16\x19\x70'),
  ...each('an OCFS2 file system', [1 * KIB, 2 * KIB, 4 * KIB, 8 * KIB], 'OCFSV2'),
  ...each('a ReiserFS file system', [8 * KIB + 52, 64 * KIB + 52], 'ReIsEr'),
  signature('an ISO 9660 file system', 32 * KIB + 1, 'CD001'),
  signature('a UDF file system', 32 * KIB + 1, 'BEA01'),
  signature('an NTFS file system', 3, 'NTFS    '),
  signature('an exFAT file system', 3, 'EXFAT   '),
  signature('a FAT file system', 82, 'FAT32   '),
  ...['FAT12   ', 'FAT16   ', 'FAT     '].map((type) => signature('a FAT file system', 54, type)),
  signature('an HFS+ file system', 1024, 'H+\0\x04'),
  signature('an HFS+ file system', 1024, 'HX\0\x05'),
  signature('an APFS container', 32, 'NXSB'),
  signature('a VMFS volume', MIB, '\x0d\xd0\x01\xc0'),
  signature('a VMFS file system', 2 * MIB, '\x5e\xf1\xab\x2f'),
  signature('a UBI device', 0, 'UBI#'),
  signature('a UBIFS file system', 0, '\x31\x18\x10\x06'),
  signature('a cramfs file system', 0, '\x45\x3d\xcd\x28'),
  signature('a romfs file system', 0, '-rom1fs-'),
];

/** UEFI 2.11, 5.3.2. The MBR is last, because most boot sectors have its signature, too. */
const TABLES = [
  ...[512, 4096, beforeEnd(512), beforeEnd(4096)].map((place) => signature('a GPT', place, 'EFI PART', true)),
  signature('an MBR or a boot sector', 510, '\x55\xaa', true),
];

/** All signatures. The first that is found names the contents. */
export const SIGNATURES: readonly Signature[] = [...PERSISTENT_MEMORY, ...STACKED, ...FILE_SYSTEMS, ...TABLES];
