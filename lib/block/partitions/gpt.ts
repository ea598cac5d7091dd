/** Reads a GPT: the primary copy if it is whole, else the backup. */

import { crc32 } from 'node:zlib';
import type { BlockDevice } from '../block-device.js';
import { isInputOutput } from '../block-errors.js';
import { type GptEntry, type GptHeader, isReadableArray, readEntries, wholeHeader } from './gpt-format.js';
import { readSector } from './mbr.js';
import { hasMagic, PROTECTIVE, RECORDS, readRecord } from './mbr-format.js';

/** A copy that is whole. */
interface Copy {
  readonly header: GptHeader;
  readonly array: Buffer;
}

/** The partition in the MBR that protects a GPT. */
export interface ProtectiveMbr {
  /** The number of its record, 1 to 4. */
  readonly number: number;
  /** The first sector, which should be 1. */
  readonly start: number;
  /** The sectors of the disk after sector 0, as it says. */
  readonly count: number;
  /** Other partitions are in the MBR too. */
  readonly isHybrid: boolean;
}

/** A GPT as stored on the disk. */
export interface RawGpt {
  /** The copy that was read. */
  readonly copy: 'primary' | 'backup';
  readonly header: GptHeader;
  readonly entries: readonly GptEntry[];
  /** The other copy is damaged or missing. */
  readonly isOtherDamaged: boolean;
  /** The primary copy says that the backup is not in the disk's last sector: the disk has grown. */
  readonly isBackupMisplaced: boolean;
}

/**
 * The protective partition in sector 0, of type EE (UEFI 2.11, 5.2.3); without it there is no GPT. It should begin at sector 1, but
 * it keeps programs that know no GPT away wherever it begins.
 */
export function readProtectiveMbr(device: BlockDevice): ProtectiveMbr | undefined {
  const sector = readSector(device, 0);
  if (sector === undefined || !hasMagic(sector)) return undefined;
  const records = Array.from({ length: RECORDS }, (_, i) => readRecord(sector, i));
  const index = records.findIndex(({ type }) => type === PROTECTIVE);
  const found = records[index];
  if (found === undefined) return undefined;
  const { start, count } = found;
  return { number: index + 1, start, count, isHybrid: records.some(({ type }) => type !== 0 && type !== PROTECTIVE) };
}

/** Whether a header with a right checksum makes sense: UEFI 2.11, 5.3.2, lists what has to be checked. */
function isSane({ firstUsable, lastUsable }: GptHeader, lba: number, last: number): boolean {
  const header = BigInt(lba);
  if (firstUsable > lastUsable || lastUsable > BigInt(last)) return false;
  // The header itself must not lie in the usable space.
  return !(firstUsable < header && header < lastUsable);
}

/** The copy whose header is in the sector, if header and entries are whole and can be read. */
function readCopy(device: BlockDevice, lba: number): Copy | undefined {
  try {
    return readWholeCopy(device, lba);
  } catch (error) {
    // One copy has a bad sector: that is what the other copy is for.
    if (isInputOutput(error)) return undefined;
    throw error;
  }
}

function readWholeCopy(device: BlockDevice, lba: number): Copy | undefined {
  const sector = readSector(device, lba);
  const header = sector && wholeHeader(sector, lba);
  if (header === undefined) return undefined;
  const { entryCount, entryBytes, entriesAt } = header;
  if (!isSane(header, lba, device.sectorCount - 1) || !isReadableArray(header)) return undefined;
  const bytes = entryCount * entryBytes;
  const sectors = Math.ceil(bytes / device.sectorSize);
  if (entriesAt > BigInt(device.sectorCount - sectors)) return undefined;
  const array = Buffer.alloc(sectors * device.sectorSize);
  device.read(Number(entriesAt), array);
  return crc32(array.subarray(0, bytes)) === header.entriesCrc ? { header, array } : undefined;
}

/** The sector as a number, which may be past any device's end. */
function sectorOf(lba: bigint): number {
  return lba > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(lba);
}

/** The GPT, whether or not an MBR protects it; undefined where neither copy is whole. */
export function readGpt(device: BlockDevice): RawGpt | undefined {
  const last = device.sectorCount - 1;
  const primary = readCopy(device, 1);
  const backup = readCopy(device, primary === undefined ? last : sectorOf(primary.header.other));
  const used = primary ?? backup;
  if (used === undefined) return undefined;
  return {
    copy: primary === undefined ? 'backup' : 'primary',
    header: used.header,
    entries: readEntries(used.array, used.header),
    isOtherDamaged: primary === undefined || backup === undefined,
    isBackupMisplaced: primary !== undefined && primary.header.other !== BigInt(last),
  };
}
