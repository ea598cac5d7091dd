/** What is on a memory that somebody may want to keep: the signatures that blkid and wipefs look for. */

import type { Memory } from '../../memory/memory.js';
import { tryRead } from './media.js';

interface Signature {
  readonly what: string;
  readonly offset: number;
  readonly bytes: Buffer;
}

function signature(what: string, offset: number, bytes: string): Signature {
  return { what, offset, bytes: Buffer.from(bytes, 'latin1') };
}

/** Offsets as libblkid has them, and those of the NVDIMM formats (Linux, drivers/nvdimm/pfn.h, label.h). */
const SIGNATURES: readonly Signature[] = [
  signature('a BTT (version 1.1)', 4096, 'BTT_ARENA_INFO\0\0'),
  signature('a BTT (version 2.0)', 0, 'BTT_ARENA_INFO\0\0'),
  signature('an fsdax namespace', 4096, 'NVDIMM_PFN_INFO\0'),
  signature('a device-DAX namespace', 4096, 'NVDIMM_DAX_INFO\0'),
  signature('an NVDIMM label area', 0, 'NAMESPACE_INDEX\0'),
  signature('a GPT', 512, 'EFI PART'),
  signature('a GPT', 4096, 'EFI PART'),
  signature('an ext2, ext3 or ext4 file system', 1080, '\x53\xef'),
  signature('an XFS file system', 0, 'XFSB'),
  signature('a Btrfs file system', 65_600, '_BHRfS_M'),
  signature('an F2FS file system', 1024, '\x10\x20\xf5\xf2'),
  signature('swap space', 4086, 'SWAPSPACE2'),
  signature('a LUKS volume', 0, 'LUKS\xba\xbe'),
  signature('an LVM physical volume', 512, 'LABELONE'),
  signature('an LVM physical volume', 0, 'LABELONE'),
  signature('a ZFS pool', 8192 + 131_072 - 40, '\x0c\xb1\xba\0\0\0\0\0'),
  signature('an MD RAID member', 4096, '\xfc\x4e\x2b\xa9'),
  signature('an MD RAID member', 0, '\xfc\x4e\x2b\xa9'),
  signature('a PMDK pool', 0, 'PMEMBLK\0'),
  signature('a PMDK pool', 0, 'PMEMOBJ\0'),
  signature('a PMDK pool', 0, 'PMEMLOG\0'),
  signature('a PMDK pool set', 0, 'PMEMPOOLSET'),
  // Last, because most of the others have it too.
  signature('an MBR or a boot sector', 510, '\x55\xaa'),
];

/** The first thing found that looks like data, in words. */
export function dataOn(memory: Memory): string | undefined {
  const found = SIGNATURES.find(({ offset, bytes }) => tryRead(memory, offset, bytes.length)?.equals(bytes) === true);
  return found?.what;
}
