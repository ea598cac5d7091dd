/**
 * Empty ext4 file systems of 16 MiB, as mkfs.ext4 (e2fsprogs 1.47.0) makes them: `-F -q -b BLOCKSIZE`. They are kept
 * (fresh-ext4.json), so that what works on them can be tested without that program.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { ROOT } from './paths.js';

export const FRESH_SIZE = 2 ** 24;
const PAGE = 4096;

/** The pages that are not zeroes: their numbers, and their bytes one after the other, deflated, in base64. */
interface Kept {
  readonly pages: readonly number[];
  readonly bytes: string;
}

/** All bytes of the file system with blocks of that size. */
export function freshExt4(blockSize: 1024 | 4096): Buffer {
  const text = readFileSync(join(ROOT, 'test', 'support', 'fresh-ext4.json'), 'utf8');
  const { pages, bytes } = (JSON.parse(text) as Record<string, Kept>)[blockSize] as Kept;
  const all = inflateSync(Buffer.from(bytes, 'base64'));
  const image = Buffer.alloc(FRESH_SIZE);
  for (const [i, page] of pages.entries()) all.copy(image, page * PAGE, i * PAGE, (i + 1) * PAGE);
  return image;
}
