/** A disk's partition table as fdisk understands it: the rows it shows, and its remarks. */

import type { BlockDevice } from '../../block/block-device.js';
import { type ProtectiveMbr, type RawGpt, readGpt, readProtectiveMbr } from '../../block/partitions/gpt.js';
import { gptTypeName } from '../../block/partitions/gpt-types.js';
import { type MbrNote, type RawMbr, readMbr } from '../../block/partitions/mbr.js';
import { isActive } from '../../block/partitions/mbr-format.js';
import { mbrTypeName } from '../../block/partitions/mbr-types.js';

/** A line of the table. */
export interface Row {
  readonly number: number;
  readonly active: boolean;
  readonly first: bigint;
  readonly count: bigint;
  /** MBR: two hexadecimal digits at most. */
  readonly id: string;
  readonly type: string;
}

/** An information goes to stdout, a warning to stderr. */
export interface Remark {
  readonly isWarning: boolean;
  readonly text: string;
}

export interface Label {
  readonly kind: 'gpt' | 'dos';
  readonly identifier: string;
  readonly rows: readonly Row[];
}

const UNKNOWN = 'unknown';
const MOST_32 = 0xffff_ffff;

function warning(text: string): Remark {
  return { isWarning: true, text };
}

function information(text: string): Remark {
  return { isWarning: false, text };
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

function remarkOf(note: MbrNote): Remark[] {
  switch (note.kind) {
    case 'second-extended':
      return note.isFirstEmpty ? [] : [warning(`Ignoring extra extended partition ${note.number}`)];
    case 'outside':
      // The C library's word for a read that reached the end without an error.
      return [warning(`Failed to read extended partition table (offset=${note.lba}): Success`)];
    case 'unreadable':
      return [warning(`Failed to read extended partition table (offset=${note.lba}): Input/output error`)];
    case 'bad-extended':
      return [warning('Bad offset in primary extended partition.')];
    case 'extra-link':
      return [warning(`Extra link pointer in partition table ${note.number}.`)];
    case 'extra-data':
      return [warning(`Ignoring extra data in partition table ${note.number}.`)];
    case 'empty-logical':
      return [information(`omitting empty partition (${note.number})`)];
    case 'loop':
      return [warning(`The chain of logical partitions comes back to sector ${note.lba}.`)];
    case 'too-many':
      return [
        warning(`Omitting partitions after #${note.number}. They will be deleted if you save this partition table.`),
      ];
    case 'bad-magic': {
      const [one, other] = note.bytes;
      const flag = `0x${hex(one)}${hex(other)}`;
      return [information(`Invalid flag ${flag} of EBR (for partition ${note.number}) will be corrected by w(rite).`)];
    }
  }
}

function ofMbr({ signature, entries }: RawMbr): Label {
  return {
    kind: 'dos',
    identifier: `0x${signature.toString(16).padStart(8, '0')}`,
    rows: entries.map((entry) => ({
      number: entry.number,
      active: isActive(entry),
      first: BigInt(entry.start),
      count: BigInt(entry.count),
      id: entry.type.toString(16),
      type: mbrTypeName(entry.type) ?? UNKNOWN,
    })),
  };
}

function ofGpt({ header, entries }: RawGpt): Label {
  return {
    kind: 'gpt',
    identifier: header.guid,
    rows: entries.map(({ number, first, last, type }) => ({
      number,
      active: false,
      first,
      count: last < first ? 0n : BigInt.asUintN(64, last - first + 1n),
      id: '',
      type: gptTypeName(type) ?? UNKNOWN,
    })),
  };
}

function gptRemarks({ copy, header, isOtherDamaged, isBackupMisplaced }: RawGpt, sectorCount: number): Remark[] {
  const remarks: Remark[] = [];
  if (isOtherDamaged) {
    const [damaged, used] = copy === 'primary' ? ['backup', 'primary'] : ['primary', 'backup'];
    remarks.push(warning(`The ${damaged} GPT table is corrupt, but the ${used} appears OK, so that will be used.`));
  }
  // One sector past its place, util-linux says nothing.
  if (isBackupMisplaced && header.other !== BigInt(sectorCount))
    remarks.push(warning('The backup GPT table is not on the end of the device.'));
  return remarks;
}

/** The size to which a protective partition is corrected that does not cover the disk; undefined if it is right. */
function correction(device: BlockDevice, protective: ProtectiveMbr): number | undefined {
  const right = Math.min(device.sectorCount - 1, MOST_32);
  const { start, count, isHybrid } = protective;
  return start !== 1 || isHybrid || count === right || count === MOST_32 ? undefined : right;
}

/** The table, if there is one, and the remarks made while reading. */
export function readLabel(device: BlockDevice): { label: Label | undefined; remarks: Remark[] } {
  const remarks: Remark[] = [];
  const protective = readProtectiveMbr(device);
  const corrected = protective && correction(device, protective);
  if (protective !== undefined) {
    if (corrected !== undefined) {
      const text = `GPT PMBR size mismatch (${protective.count} != ${device.sectorCount - 1}) will be corrected by write.`;
      remarks.push(warning(text));
    }
    const gpt = readGpt(device);
    if (gpt !== undefined) return { label: ofGpt(gpt), remarks: [...remarks, ...gptRemarks(gpt, device.sectorCount)] };
  }
  const mbr = readMbr(device);
  if (mbr === undefined) return { label: undefined, remarks };
  const entries = mbr.entries.map((entry) =>
    entry.number === protective?.number && corrected !== undefined ? { ...entry, count: corrected } : entry,
  );
  return { label: ofMbr({ ...mbr, entries }), remarks: [...remarks, ...mbr.notes.flatMap(remarkOf)] };
}
