/** From a path to an open device: what it is, and where it begins and ends. */

import { closeSync, existsSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, dirname } from 'node:path';
import { native } from '../binding.js';
import { outOfRange, PmemError } from '../errors.js';
import { type Backing, inspect, linkTo, numaNode, openAgain, openDescriptor } from '../memory/backing.js';
import { daxDeviceAt } from '../memory/dax-devices.js';
import { explain, probeSync } from '../memory/explain.js';
import { Region } from '../memory/region.js';
import { ndRegion } from '../memory/sysfs.js';
import { formatSize } from '../units.js';
import type { DaxSource } from './dax-source.js';
import { type FaultKind, faultKind, hindrance, noGuarantee } from './granularity.js';
import type { CheckedOpen, CheckedShared } from './options.js';

/** What the kernel tells of a device. */
export interface DeviceFacts {
  readonly resource: number | undefined;
  readonly numaNode: number | undefined;
  readonly targetNode: number | undefined;
  readonly region: string | undefined;
}

/** An open descriptor, and what is known about it. */
export interface OpenedDevice {
  readonly fd: number;
  readonly backing: Backing;
  /** What a probe with MAP_SYNC came to: 0 or an errno. */
  readonly probed: number;
  readonly how: FaultKind;
  readonly facts: DeviceFacts;
}

const { EINVAL, EOPNOTSUPP } = constants.errno;
const MIB = 2 ** 20;
/** What page tables have on x86-64, and on arm64 with pages of 4 KiB. */
const ALIGNMENTS: readonly number[] = [4096, 2 * MIB, 1024 * MIB];

function invalid(path: string, rule: string): PmemError {
  return new PmemError('EINVAL', `EINVAL: '${path}': ${rule}`, { errno: EINVAL, path });
}

function factsOf(backing: Backing): DeviceFacts {
  const { device, kind } = backing;
  if (kind !== 'devdax' || device === undefined) {
    return { resource: undefined, numaNode: numaNode(backing), targetNode: undefined, region: undefined };
  }
  const { resource, numaNode: node, targetNode } = daxDeviceAt(device);
  return { resource, numaNode: node, targetNode, region: basename(ndRegion(device) ?? dirname(device)) };
}

/** Opens and inspects: what the descriptor is open on, where one is given, else what is at the path. */
export function openOpened(path: string, { readOnly }: CheckedShared, descriptor?: number): OpenedDevice {
  const fd = descriptor === undefined ? openDescriptor(path, !readOnly) : openAgain(descriptor, path, !readOnly);
  try {
    const backing = descriptor === undefined ? inspect(fd, path) : { ...inspect(fd, linkTo(fd)), path };
    const probed = backing.size === 0 ? 0 : probeSync(fd, backing);
    return { fd, backing, probed, how: faultKind(backing, probed), facts: factsOf(backing) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
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
  return { path, name: basename(path), extents: [{ offset: 0, length: size }], align, emulated: false, locked: false };
}

/** The nearest multiples of the alignment, but not 0. */
function multiples(value: number, align: number): string {
  const below = value - (value % align);
  return below === 0 ? String(align) : `${below} and ${below + align}`;
}

function emulatedSource({ path, pageSize, size: present, kind }: Backing, options: CheckedOpen): DaxSource {
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
    const below = offset - (offset % align);
    throw invalid(
      path,
      `options.offset ${offset} is not a multiple of ${align}; nearest: ${below} and ${below + align}`,
    );
  }
  if (present === undefined && options.size === undefined) {
    throw invalid(path, 'it has no end; say which bytes with offset and size');
  }
  const length = options.size ?? Math.max((present ?? 0) - offset, 0);
  if (length === 0) throw invalid(path, `nothing is there from ${offset} on; make it with create: true and a size`);
  if (length % align !== 0) {
    const near = multiples(length, align);
    throw invalid(path, `a size of ${length} is not a multiple of the alignment, ${align}; nearest: ${near}`);
  }
  if (present !== undefined && offset + length > present) {
    throw outOfRange('options.offset + options.size', `within '${path}', which has ${present} bytes`, offset + length);
  }
  const name = kind === 'devmem' ? `mem@0x${offset.toString(16)}` : basename(path);
  return { path, name, extents: [{ offset, length }], align, emulated: true, locked: false };
}

/** What only the kernel could enforce against others, of a device that is not one. */
export function missingRules({ fd, backing }: OpenedDevice, { emulated }: DaxSource): string[] {
  if (!emulated) return [];
  const missing = ['private mappings: other programs may map it privately'];
  // linux/fcntl.h: F_SEAL_SHRINK and F_SEAL_GROW.
  const sealed = backing.kind === 'file' && (native.seals(fd) & 6) === 6;
  if (backing.kind === 'file' && !sealed) {
    missing.push('size: other programs may resize the file, and a mapping of what is gone then fails');
  }
  return missing;
}

/** Opens the device or file at a path, making the file when asked to. */
export function openPath(path: string, options: CheckedOpen): { opened: OpenedDevice; source: DaxSource } {
  if (options.create) make(path, options);
  const opened = openOpened(path, options);
  try {
    const { backing } = opened;
    const source = backing.kind === 'devdax' ? realSource(backing, options) : emulatedSource(backing, options);
    return { opened, source };
  } catch (error) {
    closeSync(opened.fd);
    throw error;
  }
}

/** A file of that size, with its blocks, as `Region.open` makes one; not where it would only be refused afterwards. */
function make(path: string, options: CheckedOpen): void {
  const { size = 0, offset, shared, emulate } = options;
  let align = options.align ?? 2 * MIB;
  if (!existsSync(path)) {
    const { fileSystem, durability } = explain(dirname(path));
    const pageSize = fileSystem?.type === 'hugetlbfs' ? fileSystem.blockSize : native.pageSize();
    align = options.align ?? Math.max(align, pageSize);
    const imagined = { kind: 'file', path, pageSize, fileSystem } as const;
    const reason = hindrance(imagined, faultKind(imagined, durability.mapSync ? 0 : EOPNOTSUPP), align);
    if (reason !== undefined && !emulate) throw noGuarantee(path, align, reason);
  }
  if (size % align !== 0) {
    const near = multiples(size, align);
    throw invalid(path, `a size of ${size} is not a multiple of the alignment, ${align}; nearest: ${near}`);
  }
  Region.open(path, { create: true, size: offset + size, shared }).close();
}
