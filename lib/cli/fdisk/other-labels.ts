/** Labels that fdisk lists and we only name: those of Sun's and SGI's machines. All numbers are big-endian. */

import type { BlockDevice } from '../../block/block-device.js';
import { isInputOutput } from '../../block/block-errors.js';

export interface OtherLabel {
  readonly kind: 'sgi' | 'sun';
  /** The label's own. */
  readonly geometry: { readonly heads: number; readonly sectors: number; readonly cylinders: number };
  /** Partitions that are not empty. */
  readonly partitions: number;
}

const BYTES = 512;

function words(block: Buffer, size: 2 | 4): number[] {
  return Array.from({ length: BYTES / size }, (_, i) => block.readUIntBE(i * size, size));
}

/** Numbers of 4 bytes that are not 0, `step` bytes apart. */
function used(block: Buffer, from: number, count: number, step: number): number {
  return Array.from({ length: count }, (_, i) => block.readUInt32BE(from + i * step)).filter((one) => one !== 0).length;
}

/** struct sgi_disklabel (include/pt-sgi.h, util-linux): the sum of all words is 0. */
function sgi(block: Buffer): OtherLabel | undefined {
  if (block.readUInt32BE(0) !== 0x0be5_a941 || words(block, 4).reduce((sum, one) => (sum + one) >>> 0, 0) !== 0)
    return undefined;
  const [cylinders, heads, sectors] = [28, 32, 38].map((at) => block.readUInt16BE(at)) as [number, number, number];
  return { kind: 'sgi', geometry: { heads, sectors, cylinders }, partitions: used(block, 312, 16, 12) };
}

/** struct sun_disklabel (include/pt-sun.h, util-linux): all words of 2 bytes, by exclusive or, are 0. */
function sun(block: Buffer): OtherLabel | undefined {
  if (block.readUInt16BE(508) !== 0xdabe || words(block, 2).reduce((sum, one) => sum ^ one, 0) !== 0) return undefined;
  const [cylinders, heads, sectors] = [432, 436, 438].map((at) => block.readUInt16BE(at)) as [number, number, number];
  return { kind: 'sun', geometry: { heads, sectors, cylinders }, partitions: used(block, 448, 8, 8) };
}

/** The label in sector 0, if it is one of them. */
export function readOtherLabel(device: BlockDevice): OtherLabel | undefined {
  const block = Buffer.alloc(device.sectorSize);
  try {
    device.read(0, block);
  } catch (error) {
    if (isInputOutput(error)) return undefined;
    throw error;
  }
  return sgi(block) ?? sun(block);
}
