/** What sysfs says of a persistent-memory device (Documentation/ABI/testing/sysfs-bus-nfit and sysfs-bus-dax). */

import { readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Host } from '../host.js';

/** An attribute's text without the line's end; undefined where there is no such attribute or it may not be read. */
export function attribute(directory: string, name: string): string | undefined {
  try {
    return readFileSync(join(directory, name), 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** An attribute as a number; sysfs writes some in decimal and some in hexadecimal. */
export function numericAttribute(directory: string, name: string): number | undefined {
  const text = attribute(directory, name);
  const value = text === undefined || text === '' ? Number.NaN : Number(text);
  return Number.isNaN(value) ? undefined : value;
}

/** The target of a link, or undefined. */
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

/** The device's directory below /sys/devices, for `259:0`. */
export function deviceDirectory(host: Host, type: 'block' | 'char', number: string): string | undefined {
  return resolve(join(host.sys, 'dev', type, number));
}

/** The subsystem that a device belongs to: `dax`, `block`, `nd`. */
export function subsystem(directory: string): string | undefined {
  const target = resolve(join(directory, 'subsystem'));
  return target === undefined ? undefined : basename(target);
}

/** The libnvdimm region that a device's directory lies in, if it does. */
export function ndRegion(directory: string): string | undefined {
  return /^.*\/ndbus\d+\/region\d+(?=\/|$)/.exec(directory)?.[0];
}

/** Who brought a libnvdimm region: `ACPI.NFIT`, `e820`, `virtio-pmem`, `CXL`. */
export function providerOf(region: string): string | undefined {
  return attribute(dirname(region), 'provider');
}

/** A libnvdimm region that the platform calls volatile (ACPI 6.5, 5.2.25.2, SPA range of volatile memory). */
export function isVolatileRegion(region: string): boolean {
  return attribute(region, 'devtype') === 'nd_volatile';
}

/** virtio-pmem: memory of the host that only a flush request to the host makes durable. */
export function isVirtioPmem(directory: string): boolean {
  return /\/virtio\d+\/ndbus\d+\//.test(directory);
}

/** Memory that firmware set apart (EFI_MEMORY_SP), CXL or NFIT volatile memory: behind device-DAX, yet not persistent. */
export function isVolatileDax(directory: string): boolean {
  const region = ndRegion(directory);
  return region === undefined || isVolatileRegion(region);
}
