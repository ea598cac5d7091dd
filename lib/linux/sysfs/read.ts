/** Reading sysfs: attributes, links and device numbers. */

import { readFileSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Host } from '../host.js';

/** An attribute's text without surrounding white space; undefined where the attribute is missing or unreadable. */
export function attribute(directory: string, name: string): string | undefined {
  try {
    return readFileSync(join(directory, name), 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** An attribute as a number, decimal or hexadecimal; undefined for anything else. */
export function numericAttribute(directory: string, name: string): number | undefined {
  const text = attribute(directory, name);
  const value = text === undefined || text === '' ? Number.NaN : Number(text);
  return Number.isNaN(value) ? undefined : value;
}

/** A path with every link followed; undefined where it leads nowhere. */
export function resolve(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** `259:0`, as sysfs and /proc name devices: the encoding of dev_t in glibc's sys/sysmacros.h. */
export function deviceNumber(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

/** Whether the number is of a file system without a block device of its own: it has none, or several. */
export function isAnonymous(device: bigint): boolean {
  return deviceNumber(device).startsWith('0:');
}

/** The device's directory below /sys/devices, for `259:0`. */
export function deviceDirectory(host: Host, type: 'block' | 'char', number: string): string | undefined {
  return resolve(join(host.sys, 'dev', type, number));
}

/** The subsystem of a device: `dax`, `block`, `nd`. */
export function subsystem(directory: string): string | undefined {
  const target = resolve(join(directory, 'subsystem'));
  return target === undefined ? undefined : basename(target);
}
