/** GUIDs as UEFI stores them (UEFI 2.11, appendix A): the first three fields are little-endian, the rest is as written. */

const TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export const NO_GUID = '00000000-0000-0000-0000-000000000000';

/** Whether the text is a GUID, in either case. */
export function isGuid(text: unknown): text is string {
  return typeof text === 'string' && TEXT.test(text);
}

/** Swaps what is stored little-endian; the same both ways. */
function swapped(bytes: Buffer): Buffer {
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}

/** The 16 bytes at the offset, upper-case as fdisk and UEFI print them. */
export function readGuid(bytes: Buffer, offset: number): string {
  const hex = swapped(Buffer.from(bytes.subarray(offset, offset + 16)))
    .toString('hex')
    .toUpperCase();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** Stores a GUID's 16 bytes at the offset. */
export function writeGuid(bytes: Buffer, offset: number, guid: string): void {
  swapped(Buffer.from(guid.replaceAll('-', ''), 'hex')).copy(bytes, offset);
}
