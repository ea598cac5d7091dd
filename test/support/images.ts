/** Disk images with partition tables of every kind and state, made by util-linux and gdisk, and some of them damaged. */

import { closeSync, ftruncateSync, openSync, readSync, truncateSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { keptTable } from './tables.js';

const MIB = 2 ** 20;

/** Makes an empty file. */
export function makeImage(path: string, size: number): void {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, size);
  closeSync(fd);
}

/** Reads, changes and writes back a piece of a file. */
export function edit(path: string, offset: number, length: number, change: (bytes: Buffer) => void): void {
  const fd = openSync(path, 'r+');
  try {
    const bytes = Buffer.alloc(length);
    readSync(fd, bytes, 0, length, offset);
    change(bytes);
    writeSync(fd, bytes, 0, length, offset);
  } finally {
    closeSync(fd);
  }
}

/** Offsets of the extended boot records of the image `logical partitions`. */
export const LINKS = [8192, 16384, 24576] as const;

/** Changes a field of a GPT header, and updates its checksum. */
export function editHeader(path: string, at: number, change: (header: Buffer) => void): void {
  edit(path, at, 512, (bytes) => {
    change(bytes);
    bytes.writeUInt32LE(0, 16);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 92)), 16);
  });
}

/** Changes the first entry of the primary copy, and updates its checksums. */
function editEntry(path: string, change: (entry: Buffer) => void): void {
  let sum = 0;
  edit(path, 1024, 16384, (array) => {
    change(array.subarray(0, 128));
    sum = crc32(array);
  });
  editHeader(path, 512, (header) => header.writeUInt32LE(sum, 88));
}

const SIZE = 64 * MIB;
const BACKUP = SIZE - 512;

const gpt = keptTable('a GPT');
const chain = keptTable('logical partitions');

/** Makes a GPT, and then changes it. */
function withGpt(change: (path: string) => void): (path: string) => void {
  return (path) => {
    gpt(path);
    change(path);
  };
}

function withChain(change: (path: string) => void): (path: string) => void {
  return (path) => {
    chain(path);
    change(path);
  };
}

/** Inverts the byte. */
function flip(path: string, at: number): void {
  edit(path, at, 1, (bytes) => bytes.fill((bytes[0] ?? 0) ^ 0xff));
}

function record(at: number, index: number): number {
  return at * 512 + 446 + 16 * index;
}

/** Each makes an image at a path. */
export const IMAGES: Readonly<Record<string, (path: string) => void>> = {
  'no table': (path) => makeImage(path, 10 * MIB),
  'a size that is no round number': (path) => makeImage(path, 1_992_294),
  'one sector': (path) => makeImage(path, 512),
  'a sector and a half': (path) => makeImage(path, 800),
  '3 TiB': keptTable('3 TiB'),
  '3 TiB, the protective MBR too small': (path) => {
    keptTable('3 TiB, little of it in use')(path);
    edit(path, record(0, 0) + 12, 4, (bytes) => bytes.writeUInt32LE(77));
  },

  'an MBR': keptTable('an MBR'),
  'an MBR without partitions': keptTable('an MBR without partitions'),
  'an MBR of tiny partitions and unknown types': keptTable('an MBR of tiny partitions and unknown types'),
  'an MBR in disorder': keptTable('an MBR in disorder'),
  'an MBR whose partition lies past the end': (path) => {
    keptTable('an MBR of one partition')(path);
    truncateSync(path, 8 * MIB);
  },
  'an MBR of empty records and odd indicators': (path) => {
    keptTable('an MBR of two partitions')(path);
    edit(path, record(0, 0), 16, (bytes) => {
      bytes[0] = 0x81;
      bytes.writeUInt32LE(0, 12);
    });
    edit(path, record(0, 1), 16, (bytes) => {
      bytes[4] = 0;
    });
  },
  'logical partitions': chain,
  'an extended partition without any': keptTable('an extended partition without any'),
  'logical partitions, a record without 55 AA': withChain((path) => edit(path, 16384 * 512 + 510, 2, (b) => b.fill(0))),
  'logical partitions in a loop': withChain((path) =>
    edit(path, record(LINKS[2], 1), 16, (bytes) => {
      bytes[4] = 5;
      bytes.writeUInt32LE(LINKS[1] - LINKS[0], 8);
      bytes.writeUInt32LE(100, 12);
    }),
  ),
  'logical partitions that lead to themselves': withChain((path) =>
    edit(path, record(LINKS[0], 1) + 8, 4, (bytes) => bytes.writeUInt32LE(0)),
  ),
  'logical partitions that lead past the end': withChain((path) =>
    edit(path, record(LINKS[1], 1) + 8, 4, (bytes) => bytes.writeUInt32LE(0x7fffffff)),
  ),
  'logical partitions, one of them empty': withChain((path) =>
    edit(path, record(LINKS[1], 0) + 12, 4, (bytes) => bytes.writeUInt32LE(0)),
  ),
  'logical partitions with too much in a record': withChain((path) => {
    edit(path, record(LINKS[0], 2), 16, (bytes) => {
      bytes[4] = 0x83;
      bytes.writeUInt32LE(9, 12);
    });
    edit(path, record(LINKS[1], 2), 16, (bytes) => {
      bytes[4] = 5;
      bytes.writeUInt32LE(9, 12);
    });
  }),
  'two extended partitions': withChain((path) =>
    edit(path, record(0, 1), 16, (bytes) => {
      bytes[4] = 0x0f;
      bytes.writeUInt32LE(100_000, 8);
    }),
  ),
  'an extended partition at sector 0': withChain((path) =>
    edit(path, record(0, 3) + 8, 4, (bytes) => bytes.writeUInt32LE(0)),
  ),

  'a GPT': gpt,
  'a GPT without partitions': keptTable('a GPT without partitions'),
  'a GPT of tiny partitions and unknown types': keptTable('a GPT of tiny partitions and unknown types'),
  'a GPT in disorder': keptTable('a GPT in disorder'),
  'a GPT with one partition of many': keptTable('a GPT with one partition of many'),
  'a GPT by sgdisk': keptTable('a GPT by sgdisk'),
  'a hybrid MBR': keptTable('a hybrid MBR'),
  'a GPT without an MBR': withGpt((path) => edit(path, 0, 512, (bytes) => bytes.fill(0))),
  'a GPT under an MBR of another kind': withGpt((path) =>
    edit(path, record(0, 0), 16, (bytes) => {
      bytes[4] = 0x83;
    }),
  ),
  'a protective MBR alone': withGpt((path) => {
    edit(path, 512, 512, (bytes) => bytes.fill(0));
    edit(path, BACKUP, 512, (bytes) => bytes.fill(0));
  }),
  'a GPT, its primary header damaged': withGpt((path) => flip(path, 512 + 60)),
  'a GPT, its primary entries damaged': withGpt((path) => flip(path, 1024 + 60)),
  'a GPT, its backup header damaged': withGpt((path) => flip(path, BACKUP + 60)),
  'a GPT, its backup entries damaged': withGpt((path) => flip(path, BACKUP - 16384 + 60)),
  'a GPT, both headers damaged': withGpt((path) => {
    flip(path, 512 + 60);
    flip(path, BACKUP + 60);
  }),
  'a GPT, both entries damaged': withGpt((path) => {
    flip(path, 1024 + 60);
    flip(path, BACKUP - 16384 + 60);
  }),
  'a GPT on a disk that grew': withGpt((path) => truncateSync(path, 70 * MIB)),
  'a GPT on a disk that shrank': withGpt((path) => truncateSync(path, 60 * MIB)),
  'a GPT whose header says it is elsewhere': withGpt((path) =>
    editHeader(path, 512, (header) => header.writeBigUInt64LE(7n, 24)),
  ),
  'a GPT whose usable sectors are none': withGpt((path) =>
    editHeader(path, 512, (header) => header.writeBigUInt64LE(99n, 48)),
  ),
  'a GPT whose backup is said to be far away': withGpt((path) =>
    editHeader(path, 512, (header) => header.writeBigUInt64LE(2n ** 64n - 1n, 32)),
  ),
  'a GPT whose backup is said to be a sector too far': withGpt((path) =>
    editHeader(path, 512, (header) => header.writeBigUInt64LE(BigInt(SIZE / 512), 32)),
  ),
  'a GPT whose entries are far away': withGpt((path) =>
    editHeader(path, 512, (header) => header.writeBigUInt64LE(2n ** 63n, 72)),
  ),
  'a GPT without entries': withGpt((path) => editHeader(path, 512, (header) => header.writeUInt32LE(0, 80))),
  'a GPT of four billion entries': withGpt((path) =>
    editHeader(path, 512, (header) => header.writeUInt32LE(0xffff_ffff, 80)),
  ),
  'a GPT whose header is too short': withGpt((path) => editHeader(path, 512, (header) => header.writeUInt32LE(91, 12))),
  'a GPT whose header is too long': withGpt((path) => editHeader(path, 512, (header) => header.writeUInt32LE(513, 12))),
  'a GPT whose partition ends before it begins': withGpt((path) =>
    editEntry(path, (entry) => entry.writeBigUInt64LE(100n, 40)),
  ),
  'a GPT whose partition is endless': withGpt((path) =>
    editEntry(path, (entry) => entry.writeBigUInt64LE(2n ** 64n - 1n, 40)),
  ),
  'a GPT whose partition has no type': withGpt((path) => editEntry(path, (entry) => entry.fill(0, 0, 16))),
};

/** Sectors of 4096 bytes. */
export const IMAGES_4096: Readonly<Record<string, (path: string) => void>> = {
  'an MBR': keptTable('4096: an MBR'),
  'logical partitions': keptTable('4096: logical partitions'),
  'a GPT': keptTable('4096: a GPT'),
  'a GPT, its primary header damaged': (path) => {
    IMAGES_4096['a GPT']?.(path);
    flip(path, 4096 + 60);
  },
  'a GPT of sectors of 512 bytes': gpt,
  'no table': (path) => makeImage(path, SIZE),
  'one sector': (path) => makeImage(path, 4096),
};

/**
 * A disk with sectors of 512 bytes and a GPT with the given number of entries, each a partition of one sector. That is far more than any tool
 * makes, but valid: UEFI 2.11, 5.3.2, gives the number of entries no upper limit.
 */
export function makeCrowdedGpt(path: string, entryCount: number): void {
  const arraySectors = (entryCount * 128) / 512;
  const first = 2 + arraySectors;
  const sectorCount = first + entryCount + arraySectors + 1;
  const array = Buffer.alloc(entryCount * 128);
  for (let i = 0; i < entryCount; i++) {
    const entry = array.subarray(128 * i, 128 * (i + 1));
    entry.write('af3dc60f838472478e793d69d8477de4', 0, 'hex'); // Linux
    entry.writeUInt32LE(i + 1, 16);
    entry.writeBigUInt64LE(BigInt(first + i), 32);
    entry.writeBigUInt64LE(BigInt(first + i), 40);
  }
  const header = (own: number, other: number, entriesAt: number): Buffer => {
    const sector = Buffer.alloc(512);
    sector.write('EFI PART', 0, 'latin1');
    sector.writeUInt32LE(0x1_0000, 8);
    sector.writeUInt32LE(92, 12);
    for (const [at, value] of [
      [24, own],
      [32, other],
      [40, first],
      [48, first + entryCount - 1],
      [72, entriesAt],
    ] as const) {
      sector.writeBigUInt64LE(BigInt(value), at);
    }
    sector.fill(0x11, 56, 72);
    sector.writeUInt32LE(entryCount, 80);
    sector.writeUInt32LE(128, 84);
    sector.writeUInt32LE(crc32(array), 88);
    sector.writeUInt32LE(crc32(sector.subarray(0, 92)), 16);
    return sector;
  };
  const last = sectorCount - 1;
  const protective = Buffer.alloc(512);
  protective[450] = 0xee;
  protective.writeUInt32LE(1, 454);
  protective.writeUInt32LE(sectorCount - 1, 458);
  protective.writeUInt16LE(0xaa55, 510);
  const fd = openSync(path, 'w');
  try {
    ftruncateSync(fd, sectorCount * 512);
    for (const [bytes, sector] of [
      [protective, 0],
      [header(1, last, 2), 1],
      [array, 2],
      [array, first + entryCount],
      [header(last, 1, first + entryCount), last],
    ] as const) {
      writeSync(fd, bytes, 0, bytes.length, sector * 512);
    }
  } finally {
    closeSync(fd);
  }
}
