/**
 * The info block of an arena (UEFI 2.11, 6.3.1; struct btt_sb, drivers/nvdimm/btt.h). Little-endian.
 *
 *      offset  bytes  field
 *           0     16  Sig: 'BTT_ARENA_INFO\0\0'
 *          16     16  Uuid, the same in all arenas
 *          32     16  ParentUuid: the namespace's, or zero
 *          48      4  Flags: bit 0, the arena is in an error state
 *          52      2  Major
 *          54      2  Minor
 *          56      4  ExternalLbaSize
 *          60      4  ExternalNLba
 *          64      4  InternalLbaSize
 *          68      4  InternalNLba
 *          72      4  NFree
 *          76      4  InfoSize: 4096
 *          80      8  NextOff
 *          88      8  DataOff
 *          96      8  MapOff
 *         104      8  FlogOff
 *         112      8  InfoOff: of the copy
 *         120   3968  unused, zero
 *        4088      8  Checksum: Fletcher64 of the block, this field being zero
 */

import { type ArenaLayout, type BttVersion, FLOG_LANE, MAP_ENTRY, MOST_LANES, PAGE } from './layout.js';

const SIGNATURE = Buffer.from('BTT_ARENA_INFO\0\0', 'latin1');
const CHECKSUM = 4088;
const FLAG_ERROR = 1;
/** Two bits of a map entry are flags. */
const MOST_BLOCKS = 2 ** 30;

/** The contents of an info block. */
export interface InfoBlock extends ArenaLayout {
  readonly version: BttVersion;
  /** In the usual form, lower case. */
  readonly uuid: string;
  readonly parentUuid: string;
  /** Linux and UEFI refuse to write to an arena in the error state. */
  readonly inErrorState: boolean;
}

/** Fletcher64 in words of 4 bytes (nd_fletcher64, drivers/nvdimm/core.c), of the block without its checksum. */
export function checksum(block: Uint8Array): bigint {
  const words = new DataView(block.buffer, block.byteOffset, block.byteLength);
  let low = 0;
  let high = 0;
  for (let at = 0; at < PAGE; at += 4) {
    // The checksum's own words count as zero.
    if (at < CHECKSUM) low = (low + words.getUint32(at, true)) >>> 0;
    high = (high + low) >>> 0;
  }
  return (BigInt(high) << 32n) | BigInt(low);
}

function uuidText(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

export const NO_UUID = '00000000-0000-0000-0000-000000000000';

/** The bytes of an info block. */
export function encodeInfo(info: InfoBlock): Buffer {
  const block = Buffer.alloc(PAGE);
  SIGNATURE.copy(block);
  Buffer.from(info.uuid.replaceAll('-', ''), 'hex').copy(block, 16);
  Buffer.from(info.parentUuid.replaceAll('-', ''), 'hex').copy(block, 32);
  block.writeUInt32LE(info.inErrorState ? FLAG_ERROR : 0, 48);
  const [major = 0, minor = 0] = info.version.split('.').map(Number);
  block.writeUInt16LE(major, 52);
  block.writeUInt16LE(minor, 54);
  block.writeUInt32LE(info.sectorSize, 56);
  block.writeUInt32LE(info.sectorCount, 60);
  block.writeUInt32LE(info.blockSize, 64);
  block.writeUInt32LE(info.blockCount, 68);
  block.writeUInt32LE(info.nfree, 72);
  block.writeUInt32LE(PAGE, 76);
  const offsets = [info.nextOffset, info.dataOffset, info.mapOffset, info.flogOffset, info.infoCopyOffset];
  for (const [i, offset] of offsets.entries()) block.writeBigUInt64LE(BigInt(offset), 80 + 8 * i);
  block.writeBigUInt64LE(checksum(block), CHECKSUM);
  return block;
}

/** Whether the bytes begin as an info block does, sound or not. */
export function hasSignature(block: Buffer): boolean {
  return block.subarray(0, SIGNATURE.length).equals(SIGNATURE);
}

/** What is wrong with the numbers, or undefined. `room` is the bytes from the arena's beginning to the memory's end. */
function nonsense(info: InfoBlock, infoSize: number, room: number): string | undefined {
  const { sectorSize, sectorCount, blockSize, blockCount, nfree } = info;
  const { nextOffset, dataOffset, mapOffset, flogOffset, infoCopyOffset } = info;
  if (infoSize !== PAGE) return `its size is ${infoSize}, not ${PAGE}`;
  if (sectorSize < 512) return `sectors of ${sectorSize} bytes are smaller than 512`;
  if (blockSize < sectorSize) return `blocks of ${blockSize} bytes are smaller than sectors of ${sectorSize}`;
  if (nfree < 1 || nfree > MOST_LANES) return `${nfree} free blocks are not 1 to ${MOST_LANES}`;
  if (sectorCount < 1) return 'it has no sectors';
  if (blockCount !== sectorCount + nfree)
    return `${blockCount} blocks are not ${sectorCount} sectors and ${nfree} free`;
  if (blockCount > MOST_BLOCKS) return `${blockCount} blocks are more than a map entry can name`;
  if (mapOffset % 8 !== 0 || flogOffset % FLOG_LANE !== 0) return 'map or flog are not aligned';
  if (dataOffset < PAGE) return `the data at ${dataOffset} overlap the info block`;
  if (dataOffset + blockCount * blockSize > mapOffset)
    return `the data at ${dataOffset} overlap the map at ${mapOffset}`;
  // Whole words of 8 bytes are stored, and the last one may be half used.
  if (mapOffset + Math.ceil((sectorCount * MAP_ENTRY) / 8) * 8 > flogOffset) {
    return `the map at ${mapOffset} overlaps the flog at ${flogOffset}`;
  }
  if (flogOffset + nfree * FLOG_LANE > infoCopyOffset) {
    return `the flog at ${flogOffset} overlaps the copy of the info block at ${infoCopyOffset}`;
  }
  if (infoCopyOffset + PAGE > room) return `it is ${infoCopyOffset + PAGE} bytes long where there are ${room}`;
  if (nextOffset % PAGE !== 0) return `the next arena at ${nextOffset} does not begin at a page`;
  if (nextOffset !== 0 && (nextOffset < infoCopyOffset + PAGE || nextOffset >= room)) {
    return `the next arena at ${nextOffset} is in this one, or past the end`;
  }
  return undefined;
}

/** An info block, or why the bytes are none. */
export type ParsedInfo = { readonly info: InfoBlock } | { readonly why: string; readonly sound: boolean };

/**
 * Reads an info block. `sound` means of a refused one that its signature and checksum are right: it was stored like this.
 */
export function parseInfo(block: Buffer, room: number): ParsedInfo {
  if (!hasSignature(block)) return { why: 'it has no BTT signature', sound: false };
  if (block.readBigUInt64LE(CHECKSUM) !== checksum(block)) return { why: 'its checksum is wrong', sound: false };
  const version = `${block.readUInt16LE(52)}.${block.readUInt16LE(54)}`;
  if (version !== '1.1' && version !== '2.0') return { why: `version ${version} is not 1.1 or 2.0`, sound: true };
  const word = (at: number): number => Number(block.readBigUInt64LE(at));
  const info: InfoBlock = {
    version,
    uuid: uuidText(block.subarray(16, 32)),
    parentUuid: uuidText(block.subarray(32, 48)),
    inErrorState: (block.readUInt32LE(48) & FLAG_ERROR) !== 0,
    sectorSize: block.readUInt32LE(56),
    sectorCount: block.readUInt32LE(60),
    blockSize: block.readUInt32LE(64),
    blockCount: block.readUInt32LE(68),
    nfree: block.readUInt32LE(72),
    nextOffset: word(80),
    dataOffset: word(88),
    mapOffset: word(96),
    flogOffset: word(104),
    infoCopyOffset: word(112),
  };
  const why = nonsense(info, block.readUInt32LE(76), room);
  return why === undefined ? { info } : { why, sound: true };
}
