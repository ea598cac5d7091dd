/** What a device that is opened by its path is made of: all of a real device, or the bytes of a file that the options name. */

import { basename } from 'node:path';
import { outOfRange, type PmemError, posixError } from '../../errors.js';
import type { Backing } from '../../memory/backing.js';
import { formatSize } from '../../units.js';
import { type DaxSource, plainSource } from '../dax-source.js';
import { multipleBelow, nearest } from '../nearest.js';
import type { CheckedOpen } from '../options.js';

const MIB = 2 ** 20;
/** The page sizes of x86-64, and of arm64 with pages of 4 KiB. */
const ALIGNMENTS: readonly number[] = [4096, 2 * MIB, 1024 * MIB];

function invalid(path: string, rule: string): PmemError {
  return posixError('EINVAL', `'${path}': ${rule}`, { path });
}

function realSource({ path, pageSize, size = 0 }: Backing, options: CheckedOpen): DaxSource {
  const { align = pageSize, offset, size: wanted = size } = options;
  if (align !== pageSize) {
    const configured = `${pageSize} (${formatSize(pageSize)})`;
    throw invalid(path, `the device was configured with an alignment of ${configured}, and ${align} was asked for`);
  }
  if (offset !== 0 || wanted !== size) {
    throw invalid(path, `a device is opened as a whole: leave offset and size out, or give 0 and ${size}`);
  }
  const extents = [{ offset: 0, length: size }];
  return plainSource({ path, name: basename(path), extents, align, whole: false, emulated: false });
}

function emulatedSource(
  backing: Pick<Backing, 'path' | 'pageSize' | 'size' | 'kind'>,
  options: CheckedOpen,
): DaxSource {
  const { path, pageSize, size: present, kind } = backing;
  const { offset } = options;
  const align = options.align ?? Math.max(pageSize, 2 * MIB);
  if (!ALIGNMENTS.includes(align) && align !== pageSize) {
    throw outOfRange('options.align', '4096, 2 MiB or 1 GiB', align);
  }
  if (align % pageSize !== 0) {
    const pages = formatSize(pageSize);
    throw invalid(path, `its pages of ${pages} cannot be mapped by ${align}; the least alignment is ${pageSize}`);
  }
  if (offset % align !== 0) {
    const last = present === undefined ? undefined : multipleBelow(present, align) - align;
    const legal = nearest(offset, align, 0, last);
    throw invalid(path, `options.offset ${offset} is not a multiple of ${align}; nearest: ${legal}`);
  }
  if (present === undefined && options.size === undefined) {
    throw invalid(path, 'it has no end; say which bytes with offset and size');
  }
  const length = options.size ?? Math.max((present ?? 0) - offset, 0);
  if (length === 0) throw invalid(path, `it has no bytes from ${offset} on; pass create: true and a size`);
  if (length % align !== 0) {
    // Without options.size, another size of the file is the way out.
    const bounded = present !== undefined && options.size !== undefined && !options.create;
    const most = bounded ? multipleBelow(Math.max(present - offset, 0), align) : undefined;
    const legal = nearest(length, align, align, most);
    throw invalid(path, `a size of ${length} is not a multiple of the alignment, ${align}; nearest: ${legal}`);
  }
  if (present !== undefined && offset + length > present) {
    throw outOfRange('options.offset + options.size', `within '${path}', which has ${present} bytes`, offset + length);
  }
  const name = kind === 'devmem' ? `mem@0x${offset.toString(16)}` : basename(path);
  const whole = kind === 'file' && offset + length === present;
  return plainSource({ path, name, extents: [{ offset, length }], align, whole, emulated: true });
}

/**
 * The device that the options make of what is at the path.
 *
 * @throws PmemError `EINVAL`, RangeError where the options do not fit what is there
 */
export function sourceOf(backing: Backing, options: CheckedOpen): DaxSource {
  return backing.kind === 'devdax' ? realSource(backing, options) : emulatedSource(backing, options);
}
