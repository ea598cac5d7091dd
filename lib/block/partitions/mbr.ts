/** Reads an MBR and its chain of logical partitions as stored. It checks nothing, but stops in a chain that would never end. */

import type { BlockDevice } from '../block-device.js';
import { isInputOutput } from '../block-errors.js';
import {
  diskSignature,
  hasMagic,
  hasOddIndicator,
  isExtended,
  magicOf,
  type PartitionRecord,
  RECORDS,
  readRecord,
} from './mbr-format.js';

/** A partition record at its place. */
export interface MbrEntry extends PartitionRecord {
  /** As Linux numbers them: 1 to 4 in the MBR, logical ones from 5 on. */
  readonly number: number;
  readonly kind: 'primary' | 'extended' | 'logical';
  /** The first sector, counted in the disk. */
  readonly start: number;
}

/** An oddity of a table. */
export type MbrNote =
  /** More than one extended partition: only the logical partitions of the first one count. */
  | { readonly kind: 'second-extended'; readonly number: number; readonly isFirstEmpty: boolean }
  /** The extended partition begins at sector 0. */
  | { readonly kind: 'bad-extended' }
  /** An extended boot record is past the disk's end. */
  | { readonly kind: 'outside'; readonly lba: number }
  /** An extended boot record cannot be read: the chain ends before it. */
  | { readonly kind: 'unreadable'; readonly lba: number }
  /** The chain comes back to an earlier record. */
  | { readonly kind: 'loop'; readonly lba: number }
  /** The chain is longer than the number of partitions that count. */
  | { readonly kind: 'too-many'; readonly number: number }
  /** An extended boot record has more links, or partitions, than one. */
  | { readonly kind: 'extra-link' | 'extra-data'; readonly number: number }
  /** A logical partition without sectors is left out; later ones move up. */
  | { readonly kind: 'empty-logical'; readonly number: number }
  /** An extended boot record does not end in 55 AA. */
  | { readonly kind: 'bad-magic'; readonly number: number; readonly bytes: readonly [number, number] };

/** An MBR as stored on the disk. */
export interface RawMbr {
  readonly signature: number;
  /** Records that are not blank: those of the MBR, then the logical ones. */
  readonly entries: readonly MbrEntry[];
  readonly notes: readonly MbrNote[];
}

/** The limit of util-linux. It also ends every chain. */
const MOST_PARTITIONS = 60;

/** One sector as a Buffer; undefined past the device's end. */
export function readSector(device: BlockDevice, lba: number): Buffer | undefined {
  if (lba >= device.sectorCount) return undefined;
  const sector = Buffer.alloc(device.sectorSize);
  device.read(lba, sector);
  return sector;
}

/** One link of the chain: an extended boot record. */
interface Link {
  readonly lba: number;
  readonly sector: Buffer;
  readonly data: PartitionRecord;
  /** The next one, relative to the extended partition's beginning. */
  readonly next: PartitionRecord;
}

/** One of the four records is the partition, one the link; the first of each kind counts. */
function readLink(lba: number, sector: Buffer, number: number, notes: MbrNote[]): Link {
  let data: number | undefined;
  let next: number | undefined;
  const records = Array.from({ length: RECORDS }, (_, i) => readRecord(sector, i));
  for (const [i, { type, count }] of records.entries()) {
    if (count === 0 || type === 0) continue;
    if (isExtended(type)) {
      if (next === undefined) next = i;
      else notes.push({ kind: 'extra-link', number });
    } else if (data === undefined) data = i;
    else notes.push({ kind: 'extra-data', number });
  }
  data ??= next === 0 ? 1 : 0;
  next ??= data === 0 ? 1 : 0;
  return { lba, sector, data: records[data] as PartitionRecord, next: records[next] as PartitionRecord };
}

/** The sector of an extended boot record; undefined, with a note, where the chain ends. */
function readLinkSector(device: BlockDevice, lba: number, notes: MbrNote[]): Buffer | undefined {
  try {
    const sector = readSector(device, lba);
    if (sector === undefined) notes.push({ kind: 'outside', lba });
    return sector;
  } catch (error) {
    if (!isInputOutput(error)) throw error;
    notes.push({ kind: 'unreadable', lba });
    return undefined;
  }
}

/** Follows the chain from the extended partition on, up to the limit of partitions. */
function readChain(device: BlockDevice, extended: PartitionRecord, notes: MbrNote[]): Link[] {
  const links: Link[] = [];
  const seen = new Set<number>();
  if (extended.start === 0) {
    notes.push({ kind: 'bad-extended' });
    return links;
  }
  let lba = extended.start;
  for (;;) {
    const number = RECORDS + links.length + 1;
    if (number > MOST_PARTITIONS) {
      notes.push({ kind: 'too-many', number: MOST_PARTITIONS });
      break;
    }
    if (seen.has(lba)) {
      notes.push({ kind: 'loop', lba });
      break;
    }
    seen.add(lba);
    const sector = readLinkSector(device, lba, notes);
    if (sector === undefined) break;
    const link = readLink(lba, sector, number, notes);
    links.push(link);
    if (!isExtended(link.next.type)) break;
    lba = extended.start + link.next.start;
  }
  return links;
}

/** Leaves out empty links, unless there is no other; without a note a blank record at the end of the chain. */
function withoutEmpty(links: Link[], notes: MbrNote[]): Link[] {
  const last = links.at(-1);
  const left = last?.data.isBlank && last.next.isBlank ? links.slice(0, -1) : [...links];
  for (let i = 0; i < left.length; ) {
    const isEmpty = left[i]?.data.count === 0;
    if (isEmpty && (left.length > 1 || left[0]?.data.count !== 0)) {
      notes.push({ kind: 'empty-logical', number: RECORDS + i + 1 });
      left.splice(i, 1);
      i = 0;
    } else {
      i++;
    }
  }
  return left;
}

/**
 * The MBR in sector 0; undefined without 55 AA. The boot sector of a file system on a disk without partitions has 55 AA too, but
 * code or text in place of the records: Linux recognizes it by the boot indicators (block/partitions/msdos.c).
 */
export function readMbr(device: BlockDevice): RawMbr | undefined {
  const sector = readSector(device, 0);
  if (sector === undefined || !hasMagic(sector) || hasOddIndicator(sector)) return undefined;
  const notes: MbrNote[] = [];
  const entries: MbrEntry[] = [];
  let links: Link[] | undefined;
  for (let i = 0; i < RECORDS; i++) {
    const record = readRecord(sector, i);
    const kind = isExtended(record.type) ? 'extended' : 'primary';
    if (!record.isBlank) entries.push({ ...record, number: i + 1, kind });
    if (kind === 'primary') continue;
    if (links === undefined) links = withoutEmpty(readChain(device, record, notes), notes);
    else notes.push({ kind: 'second-extended', number: i + 1, isFirstEmpty: links.length === 0 });
  }
  for (const [i, link] of (links ?? []).entries()) {
    const number = RECORDS + i + 1;
    if (!hasMagic(link.sector)) notes.push({ kind: 'bad-magic', number, bytes: magicOf(link.sector) });
    if (!link.data.isBlank) entries.push({ ...link.data, number, kind: 'logical', start: link.lba + link.data.start });
  }
  return { signature: diskSignature(sector), entries, notes };
}
