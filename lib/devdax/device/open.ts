/** From a path to an open device: what it is, and where it begins and ends. */

import { closeSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { native } from '../../binding.js';
import { daxDeviceAt } from '../../linux/dax/devices.js';
import { ndRegion } from '../../linux/nvdimm/regions.js';
import { linkTo, openAgain } from '../../linux/open.js';
import { type Backing, inspect, numaNode, openDescriptor } from '../../memory/backing.js';
import { probeSync } from '../../memory/durability/explain.js';
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
export interface OpenedDevice {
  readonly fd: number;
  readonly backing: Backing;
  /** What a probe with MAP_SYNC came to: 0 or an errno. */
  readonly probed: number;
  readonly how: FaultKind;
  readonly facts: DeviceFacts;
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

/** Opens and inspects: what the descriptor is open on, where one is given, else what is at the path. The descriptor's file may be elsewhere. */
export function openOpened(path: string, { readOnly }: CheckedShared, descriptor?: number, at?: string): OpenedDevice {
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

/** What only the kernel could enforce against others, of a device that is not one. */
export function missingRules({ fd, backing, how }: OpenedDevice, { emulated }: DaxSource): string[] {
  if (!emulated) return [];
  const missing = ['private mappings: other programs may map it privately'];
  // linux/fcntl.h: F_SEAL_SHRINK and F_SEAL_GROW.
  const sealed = backing.kind === 'file' && (native.seals(fd) & 6) === 6;
  if (backing.kind === 'file' && !sealed) {
    missing.push('size: other programs may resize the file, and a mapping of what is gone then fails');
  }
  if (how === 'dax') {
    missing.push(
      'extents: other programs may move or free blocks of the file (by punching holes, defragmenting, reflinks), and what a fault brings in then may change',
    );
  }
  return missing;
}

/** Opens the device or file at a path, making the file when asked to. */
export function openPath(
  path: string,
  options: CheckedOpen,
  ways: Ways,
): { opened: OpenedDevice; source: DaxSource; made: MadeFile | undefined } {
  const made = options.create ? makeFile(path, options, ways) : undefined;
  try {
    const opened = openOpened(path, options, made?.fd, made?.at);
    try {
      return { opened, source: sourceOf(opened.backing, options), made };
    } catch (error) {
      closeSync(opened.fd);
      throw error;
    }
  } catch (error) {
    made?.drop();
    throw error;
  }
}
