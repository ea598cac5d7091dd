/** From a path to an open device: what it is, and where it begins and ends. */

import { closeSync, fstatSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { native } from '../../binding.js';
import { posixError } from '../../errors.js';
import { daxDeviceAt } from '../../linux/dax/devices.js';
import { ndRegion } from '../../linux/nvdimm/regions.js';
import { linkTo, openAgain } from '../../linux/open.js';
import { type Backing, inspect, numaNode, openDescriptor } from '../../memory/backing.js';
import { probeSync } from '../../memory/durability/probe.js';
import { greatest } from '../../numbers.js';
import type { DaxSource } from '../dax-source.js';
import type { CheckedOpen, CheckedShared } from '../options.js';
import { type FaultKind, faultKind } from './granularity.js';
import { type MadeFile, makeFile, type Ways } from './make-file.js';
import { sourceOf } from './sources.js';

/** What the kernel tells of a device. */
export interface DeviceFacts {
  readonly resource: number | undefined;
  readonly numaNode: number | undefined;
  readonly targetNode: number | undefined;
  readonly region: string | undefined;
  /** The driver's name. */
  readonly driver: string | undefined;
}

/** An open descriptor, and what is known about it. */
interface OpenDescriptor {
  readonly fd: number;
  readonly backing: Backing;
  /** What a probe with MAP_SYNC came to: 0 or an errno. */
  readonly probed: number;
  readonly how: FaultKind;
  readonly facts: DeviceFacts;
}

/** An open device: its descriptor, what it is made of, and how it was opened. */
export interface OpenDevice extends OpenDescriptor {
  readonly source: DaxSource;
  readonly options: CheckedShared;
}

function factsOf(backing: Backing): DeviceFacts {
  const { device, kind } = backing;
  if (kind !== 'devdax' || device === undefined) {
    return {
      resource: undefined,
      numaNode: numaNode(backing),
      targetNode: undefined,
      region: undefined,
      driver: undefined,
    };
  }
  const { resource, numaNode: node, targetNode, driver } = daxDeviceAt(device);
  return {
    resource,
    numaNode: node,
    targetNode,
    region: basename(ndRegion(device) ?? dirname(device)),
    driver,
  };
}

/**
 * Opens and inspects the path, or with `descriptor` what that descriptor is open on. `at` is the path of the descriptor's file, where
 * that is not `path` yet.
 */
function openDescribed(path: string, readOnly: boolean, descriptor?: number, at?: string): OpenDescriptor {
  const fd = descriptor === undefined ? openDescriptor(path, !readOnly) : openAgain(descriptor, at ?? path, !readOnly);
  try {
    const backing = descriptor === undefined ? inspect(fd, path) : { ...inspect(fd, at ?? linkTo(fd)), path };
    const probed = backing.size === 0 ? 0 : probeSync(fd, backing);
    return { fd, backing, probed, how: faultKind(backing, probed), facts: factsOf(backing) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Opens what a region has configured. */
export function openSource(source: DaxSource, options: CheckedShared): OpenDevice {
  return { ...openDescribed(source.path, options.readOnly, source.descriptor), source, options };
}

/** Opens the device or file at a path, and makes the file when asked to. */
export function openPath(
  path: string,
  options: CheckedOpen,
  ways: Ways,
): { opened: OpenDevice; made: MadeFile | undefined } {
  const made = options.create ? makeFile(path, options, ways) : undefined;
  try {
    const opened = openDescribed(path, options.readOnly, made?.fd, made?.at);
    try {
      return { opened: { ...opened, source: sourceOf(opened.backing, options), options }, made };
    } catch (error) {
      closeSync(opened.fd);
      throw error;
    }
  } catch (error) {
    made?.drop();
    throw error;
  }
}

interface Geometry {
  readonly size: number;
  readonly pageSize: number;
  readonly driver: string | undefined;
}

/** As it is now; what the kernel does not tell is as it was. */
function geometryNow({ fd, backing, facts }: OpenDevice): Geometry {
  const { kind, device, size = Number.POSITIVE_INFINITY, pageSize } = backing;
  const { driver } = facts;
  if (kind === 'file') return { size: fstatSync(fd).size, pageSize, driver };
  if (kind !== 'devdax' || device === undefined) return { size, pageSize, driver };
  const now = daxDeviceAt(device);
  return { size: now.align === undefined ? size : now.size, pageSize: now.align ?? pageSize, driver: now.driver };
}

/**
 * The geometry is fixed for the device's life: one that was given another since is another device.
 *
 * @throws PmemError `ENXIO` when the device was reconfigured
 */
export function checkUnchanged(opened: OpenDevice): void {
  const { backing, facts, source } = opened;
  const { path, align, whole, extents } = source;
  const was = { size: backing.size ?? Number.POSITIVE_INFINITY, pageSize: backing.pageSize };
  const now = geometryNow(opened);
  const end = greatest(extents.map(({ offset, length }) => offset + length));
  const fits = now.size >= end && align % now.pageSize === 0 && now.driver === facts.driver;
  const isSame = now.size === was.size && now.pageSize === was.pageSize;
  if (fits && (isSame || (backing.kind === 'file' && !whole))) return;
  const is = now.driver === facts.driver ? `has ${now.size} bytes` : `is served by ${now.driver ?? 'no driver'}`;
  const pages = now.pageSize === was.pageSize ? '' : ` aligned to ${now.pageSize}`;
  const sentence = `'${path}' was reconfigured since it was opened, and ${is}${pages}; close it and open it again`;
  throw posixError('ENXIO', sentence, { path });
}

/** Rules of a DAX device that only the kernel could enforce, and does not for an emulated one; in sentences. */
export function missingRules({ fd, backing, how, source }: OpenDevice): string[] {
  if (!source.emulated) return [];
  const missing = ['private mappings: other programs may map it privately'];
  // linux/fcntl.h: F_SEAL_SHRINK and F_SEAL_GROW.
  const sealed = backing.kind === 'file' && (native.seals(fd) & 6) === 6;
  if (backing.kind === 'file' && !sealed) {
    missing.push('size: other programs may resize the file, and a mapping of what is gone then fails');
  }
  if (how === 'dax') {
    missing.push(
      'extents: other programs may move or free blocks of the file (by punching holes, defragmenting, reflinks), and a fault may bring in other pages then',
    );
  }
  return missing;
}
