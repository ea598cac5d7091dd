/** Regions of libnvdimm: Documentation/ABI/testing/sysfs-bus-nfit and sysfs-bus-nvdimm. */

import { basename, dirname } from 'node:path';
import { attribute } from '../sysfs/read.js';

/** One `regionN`: memory of one kind, which namespaces divide. */
export interface NvdimmRegion {
  readonly name: string;
  /** Below /sys/devices. */
  readonly directory: string;
  /** The driver that reported the memory: `ACPI.NFIT`, `e820`, `virtio-pmem`, `CXL`. */
  readonly provider: string | undefined;
  /** `cpu_cache` (eADR) or `memory_controller` (ADR). */
  readonly persistenceDomain: string | undefined;
  /** The platform calls it volatile (ACPI 6.5, 5.2.25.2, SPA range of volatile memory). */
  readonly volatile: boolean;
}

/** The directory of the region that contains a device, given the device's directory; undefined outside of libnvdimm. */
export function ndRegion(directory: string): string | undefined {
  return /^.*\/ndbus\d+\/region\d+(?=\/|$)/.exec(directory)?.[0];
}

/** The persistence domain of the region that contains the device; undefined where the kernel does not tell one. */
export function persistenceDomainOf(device: string): string | undefined {
  const region = ndRegion(device);
  return (region === undefined ? undefined : attribute(region, 'persistence_domain')) || undefined;
}

function isVolatile(region: string): boolean {
  return attribute(region, 'devtype') === 'nd_volatile';
}

/** The region that contains a device, given the device's directory. */
export function nvdimmRegionOf(device: string): NvdimmRegion | undefined {
  const directory = ndRegion(device);
  if (directory === undefined) return undefined;
  return {
    name: basename(directory),
    directory,
    provider: attribute(dirname(directory), 'provider'),
    persistenceDomain: persistenceDomainOf(directory),
    volatile: isVolatile(directory),
  };
}

/** virtio-pmem: memory of the host. Stores become durable by a flush request to the host, and by nothing else. */
export function isVirtioPmem(directory: string): boolean {
  return /\/virtio\d+\/ndbus\d+\//.test(directory);
}

/**
 * Whether device-DAX memory is volatile: memory that firmware set apart (EFI_MEMORY_SP), CXL volatile memory, and regions that the
 * platform calls volatile.
 */
export function isVolatileDax(directory: string): boolean {
  const region = ndRegion(directory);
  return region === undefined || isVolatile(region);
}
