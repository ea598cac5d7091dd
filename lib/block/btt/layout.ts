/**
 * Where everything is in a BTT (Block Translation Table): UEFI 2.11, chapter 6; Linux, Documentation/driver-api/nvdimm/btt.rst
 * and drivers/nvdimm/btt.h, which fixes what the specification leaves open.
 *
 *      memory    ┌──────┬───────────────────────┬───────────────────────┬───┬──────────────┐
 *                │ skip │ arena 0               │ arena 1               │ … │ last arena   │
 *                └──────┴───────────────────────┴───────────────────────┴───┴──────────────┘
 *                0      start                   + nextOffset
 *
 *      arena     ┌──────┬────────────────────────────────┬───────────┬───────────┬──────┐
 *                │ info │ blocks: sectors and free ones  │ map       │ flog      │ info │
 *                │ 4 KiB│ internalCount * internalSize   │ 4 B each  │ 64 B each │ copy │
 *                └──────┴────────────────────────────────┴───────────┴───────────┴──────┘
 *                0      dataOffset                       mapOffset   flogOffset  infoCopyOffset
 *
 * A sector is one *block* of the data area; its entry in the map says which one. There are `nfree` blocks more than sectors: the
 * free ones, one for each *lane*. A write goes to a lane's free block and then swaps it with the sector's; the lane's entry in the
 * *flog* (free list and log) records the swap.
 */

/** The layouts in use: Linux's own (1.1), which leaves 4 KiB free at the beginning, and UEFI's (2.0). */
export const VERSIONS = ['1.1', '2.0'] as const;

export type BttVersion = (typeof VERSIONS)[number];

/** Offset of the first arena in the memory (Linux nd_btt_version; UEFI 6.2: at the namespace's beginning). */
export const START: Readonly<Record<BttVersion, number>> = { '1.1': 4096, '2.0': 0 };

/** Bytes of an info block, and the unit that areas are made of (UEFI 6.3.1). */
export const PAGE = 4096;

/** Bytes of a map entry (UEFI 6.3.4). */
export const MAP_ENTRY = 4;

/** Bytes of a lane in the flog: two entries of 16 bytes, and padding (UEFI 6.3.5). */
export const FLOG_LANE = 64;

/** Bytes of one of a lane's entries. */
export const FLOG_ENTRY = 16;

/** Block sizes are rounded up to a multiple of this (INT_LBASIZE_ALIGNMENT, drivers/nvdimm/nd.h): blocks share no cache line. */
const BLOCK_ALIGNMENT = 64;

/** How large arenas are (UEFI 6.2). Tests make them smaller. */
export interface ArenaLimits {
  /** Bytes. A smaller rest at the end stays unused. */
  readonly smallest: number;
  /** Bytes. */
  readonly largest: number;
}

export const LIMITS: ArenaLimits = { smallest: 2 ** 24, largest: 2 ** 39 };

/** Free blocks, and so lanes, of an arena that Linux makes (ND_MAX_LANES). */
export const USUAL_LANES = 256;

/** More lanes than this count as damage: an open BTT takes memory in proportion to them. */
export const MOST_LANES = 2 ** 16;

/** The sector sizes that Linux takes (btt_lbasize_supported, drivers/nvdimm/btt_devs.c): 0 to 128 bytes beside 512 or 4096. */
export const SECTOR_SIZES = [512, 520, 528, 4096, 4104, 4160, 4224] as const;

export type BttSectorSize = (typeof SECTOR_SIZES)[number];

/** The layout of one arena. Offsets are in bytes from the arena's beginning. */
export interface ArenaLayout {
  /** Bytes of a sector (external LBA size). */
  readonly sectorSize: number;
  /** Sectors (external LBAs). */
  readonly sectorCount: number;
  /** Bytes from one block to the next (internal LBA size). */
  readonly blockSize: number;
  /** Blocks (internal LBAs): sectors and free ones. */
  readonly blockCount: number;
  /** Free blocks, and lanes. */
  readonly nfree: number;
  /** Of the next arena, 0 for the last one. */
  readonly nextOffset: number;
  readonly dataOffset: number;
  readonly mapOffset: number;
  readonly flogOffset: number;
  readonly infoCopyOffset: number;
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** Bytes of the arena, from its info block to the end of the copy. */
export function arenaSize({ nextOffset, infoCopyOffset }: ArenaLayout): number {
  return nextOffset > 0 ? nextOffset : infoCopyOffset + PAGE;
}

/**
 * The layout of an arena in `size` bytes, as Linux makes it (alloc_arena, drivers/nvdimm/btt.c); undefined where there is no room
 * for a sector.
 */
export function planArena(
  size: number,
  sectorSize: number,
  nfree: number,
  nextOffset: number,
): ArenaLayout | undefined {
  const whole = size - (size % PAGE);
  const flogSize = roundUp(nfree * FLOG_LANE, PAGE);
  const available = whole - 2 * PAGE - flogSize;
  const blockSize = roundUp(sectorSize, BLOCK_ALIGNMENT);
  // One page less, as the map is rounded up to pages.
  const blockCount = Math.floor((available - PAGE) / (blockSize + MAP_ENTRY));
  const sectorCount = blockCount - nfree;
  if (sectorCount < 1) return undefined;
  const mapSize = roundUp(sectorCount * MAP_ENTRY, PAGE);
  const mapOffset = PAGE + available - mapSize;
  const flogOffset = mapOffset + mapSize;
  return {
    sectorSize,
    sectorCount,
    blockSize,
    blockCount,
    nfree,
    nextOffset,
    dataOffset: PAGE,
    mapOffset,
    flogOffset,
    infoCopyOffset: flogOffset + flogSize,
  };
}

/** Where the arenas of a new BTT are: as many of the largest size as fit, and the rest where that is large enough. */
export function arenaExtents(size: number, start: number, limits: ArenaLimits): { offset: number; size: number }[] {
  const extents: { offset: number; size: number }[] = [];
  let offset = start;
  while (size - offset >= limits.smallest) {
    const extent = Math.min(size - offset, limits.largest);
    extents.push({ offset, size: extent });
    offset += extent;
  }
  return extents;
}
