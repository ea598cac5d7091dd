/** Cylinders, heads and sectors for disks that have none. */

/** What HDIO_GETGEO answers (hdreg.h): 255 heads and 63 sectors, as PC firmware translates every large disk. */
export interface Geometry {
  readonly heads: number;
  /** Sectors of a track. */
  readonly sectors: number;
  /** Whole cylinders. */
  readonly cylinders: number;
}

const HEADS = 255;
const SECTORS = 63;

export function geometryOf(sectorCount: number): Geometry {
  return { heads: HEADS, sectors: SECTORS, cylinders: Math.floor(sectorCount / (HEADS * SECTORS)) };
}

/** Cylinders that an address of three bytes can name (UEFI 2.11, 5.2.1, LBA-assisted translation). */
const MOST_CYLINDERS = 1024;

/** Whether a sector has an address of three bytes. */
export function hasChs(lba: number): boolean {
  return lba < MOST_CYLINDERS * HEADS * SECTORS;
}

/**
 * The address in the three bytes of a partition record: head, sector (6 bits) with the cylinder's bits 8 and 9, cylinder's
 * bits 0 to 7. Sectors past the last cylinder that fits are FE FF FF.
 */
export function chsBytes(lba: number): readonly [number, number, number] {
  if (!hasChs(lba)) return [0xfe, 0xff, 0xff];
  const cylinder = Math.floor(lba / (HEADS * SECTORS));
  const inCylinder = lba % (HEADS * SECTORS);
  const sector = (inCylinder % SECTORS) + 1;
  return [Math.floor(inCylinder / SECTORS), sector | ((cylinder >> 2) & 0xc0), cylinder & 0xff];
}
