/** Refuses to write a partition table over contents that may be wanted. */

import { PmemError } from '../../errors.js';
import { contentsOf, holdsData, type ReadableBytes, signaturesOn } from '../../memory/contents.js';
import type { BlockDevice } from '../block-device.js';
import type { Extent } from './layout.js';
import type { Partition, PartitionTable } from './partition-table.js';

/** Reads a device by bytes. */
function bytesOf(device: BlockDevice): ReadableBytes {
  const { sectorSize, size } = device;
  return {
    size,
    read: (offset, target) => {
      const first = Math.floor(offset / sectorSize);
      const end = Math.ceil((offset + target.length) / sectorSize);
      const sectors = Buffer.alloc((end - first) * sectorSize);
      device.read(first, sectors);
      target.set(sectors.subarray(offset - first * sectorSize).subarray(0, target.length));
    },
  };
}

/** The partitions with contents: all but extended ones. */
function ofContents({ partitions }: PartitionTable): Partition[] {
  return partitions.filter((one) => !('kind' in one) || one.kind !== 'extended');
}

function isKept({ firstSector, sectorCount }: Partition, extents: readonly Extent[]): boolean {
  return extents.some(({ start, count }) => start === firstSector && count >= sectorCount);
}

/** What is outside of the partitions and is no table: the boot sector of a file system on the whole disk looks like an MBR. */
function besides(bytes: ReadableBytes, device: BlockDevice, partitions: readonly Partition[]): string | undefined {
  const isInside = (offset: number) =>
    partitions.some(({ firstSector, sectorCount }) => {
      const sector = Math.floor(offset / device.sectorSize);
      return sector >= firstSector && sector < firstSector + sectorCount;
    });
  return signaturesOn(bytes).find(({ signature, offset }) => !signature.isTable && !isInside(offset))?.signature.what;
}

const OPERATION = 'writePartitionTable';
const NOUN = 'the disk';

function lost(sentence: string): PmemError {
  const message = `${OPERATION}: ${sentence}. Keep them where they are, or pass force: true; the contents stay, but cannot be found without their partition`;
  return new PmemError('ERR_PMEM_IN_USE', message);
}

/**
 * Refuses to write a table over anything but a blank disk, or a table of the same kind whose partitions are all in the new one:
 * each begins where it began, and is no shorter. Stores nothing.
 *
 * @param old the table that is there; undefined where there is none, or none that is whole
 * @param extents of the new partitions, in sectors
 * @throws PmemError `ERR_PMEM_IN_USE`, naming what is there
 */
export function refuseReplacing(
  device: BlockDevice,
  old: { readonly table: PartitionTable; readonly unlisted: readonly number[] } | undefined,
  label: PartitionTable['label'],
  extents: readonly Extent[],
): void {
  const bytes = bytesOf(device);
  const what = contentsOf(bytes);
  if (what === undefined) return;
  if (old === undefined) throw holdsData(OPERATION, NOUN, what);
  const partitions = ofContents(old.table);
  const other = besides(bytes, device, partitions);
  if (other !== undefined) throw holdsData(OPERATION, NOUN, other);
  const kind = old.table.label === 'gpt' ? 'a GPT' : 'an MBR';
  if (old.table.label !== label) {
    throw holdsData(OPERATION, NOUN, `${kind}, which the new table does not replace in place`);
  }
  const [first] = partitions.filter((one) => !isKept(one, extents));
  const numbers = [...partitions.filter((one) => !isKept(one, extents)).map(({ number }) => number), ...old.unlisted];
  if (numbers.length === 0) return;
  const place =
    first === undefined ? '' : ` (sectors ${first.firstSector} to ${first.firstSector + first.sectorCount - 1})`;
  const more = numbers.length === 1 ? '' : ` and ${numbers.length - 1} more`;
  throw lost(`the disk has ${kind} with partition ${numbers[0]}${place}${more}, which the new one does not have`);
}
