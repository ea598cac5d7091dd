/** The persistent-memory devices in sysfs: libnvdimm namespaces, legacy memory, device-DAX. */

import { PmemError } from '../errors.js';
import { mountPoints } from '../linux/blockdev/mounts.js';
import { type DaxBusDevice, daxDevices } from '../linux/dax/devices.js';
import { HOST, type Host } from '../linux/host.js';
import { type Mount, mountTable } from '../linux/mounts.js';
import { legacyCaveat } from '../linux/nvdimm/legacy-memory.js';
import { type Namespace, type NamespaceMode, namespaces } from '../linux/nvdimm/namespaces.js';
import { isVirtioPmem, isVolatileDax, nvdimmRegionOf } from '../linux/nvdimm/regions.js';
import { assumedByEnvironment, assumptionInEnvironment } from './durability/durability.js';

/**
 * The use of a device, in ndctl's and daxctl's words. `raw` and `fsdax`: a block device that can be mapped, `fsdax` also for DMA.
 * `sector`: a block device whose sectors are never torn (BTT). `devdax`: a character device, for mapping only. `system-ram`:
 * ordinary memory.
 */
export type DeviceMode = NamespaceMode | 'system-ram';

/** One device. A property is undefined where the kernel does not tell, and where it does not apply. */
export interface PmemDevice {
  /** In sysfs: `namespace0.0`, or `dax2.0` for memory that belongs to no namespace. */
  readonly name: string;
  readonly mode: DeviceMode | undefined;
  /** The file to open: `/dev/pmem0`, `/dev/dax1.0`; undefined of devices without one. */
  readonly path: string | undefined;
  /** Usable bytes. */
  readonly size: number | undefined;
  /** Bytes: the page size that the device was configured for. */
  readonly alignment: number | undefined;
  /** Bytes; of block devices only. */
  readonly sectorSize: number | undefined;
  /** `pmem0`, `pmem0s`. */
  readonly blockDevice: string | undefined;
  /** `dax1.0`. */
  readonly charDevice: string | undefined;
  /** Of libnvdimm: `region0`. */
  readonly region: string | undefined;
  /** The driver that reported the memory: `ACPI.NFIT`, `e820` (legacy and memmap=), `virtio-pmem`, `CXL`, `hmem`. */
  readonly provider: string | undefined;
  /** `cpu_cache` (eADR) or `memory_controller` (ADR). */
  readonly persistenceDomain: string | undefined;
  /** The memory loses its contents at power-off, or is in use as ordinary memory. */
  readonly volatile: boolean;
  /**
   * Why it is unknown whether the contents survive power-off (provider `e820`), or why stores cannot be made durable (`virtio-pmem` in
   * mode `devdax`); undefined of other devices.
   */
  readonly caveat: string | undefined;
  /** PMEM_ASSUME_PERSISTENT=1 applies: regions on the device take flushed stores for durable, which the kernel does not confirm. */
  readonly assumed: boolean;
  /** The NUMA node nearest to the memory. */
  readonly numaNode: number | undefined;
  /** The NUMA node that the memory becomes in mode `system-ram`. */
  readonly targetNode: number | undefined;
  /** Physical address; the kernel tells it to root only. */
  readonly resource: number | undefined;
  /** Mount points of file systems on the device, its partitions and devices made of these. */
  readonly mountPoints: readonly string[];
  /** Whether a driver serves the device. */
  readonly enabled: boolean;
}

const UNFLUSHABLE = 'virtio-pmem as device-DAX: nothing can send the flush request that makes stores durable';

/** Whether PMEM_ASSUME_PERSISTENT applies. Without the addon it does not: no region can be opened. */
function isAssumed(): boolean {
  if (assumptionInEnvironment() === '') return false;
  try {
    return assumedByEnvironment();
  } catch (error) {
    if (error instanceof PmemError && error.code === 'ERR_PMEM_ENVIRONMENT') throw error;
    return false;
  }
}

function ofDax(dax: DaxBusDevice, host: Host, assumed: boolean): PmemDevice {
  const isMemory = dax.driver === 'kmem';
  const region = nvdimmRegionOf(dax.directory);
  const volatile = isMemory || isVolatileDax(dax.directory);
  return {
    name: dax.name,
    mode: isMemory ? 'system-ram' : 'devdax',
    path: isMemory || dax.driver === undefined ? undefined : `/dev/${dax.name}`,
    size: dax.size,
    alignment: dax.align,
    sectorSize: undefined,
    blockDevice: undefined,
    charDevice: dax.name,
    region: region?.name,
    provider: region?.provider ?? dax.provider,
    persistenceDomain: region?.persistenceDomain,
    volatile,
    caveat: volatile ? undefined : isVirtioPmem(dax.directory) ? UNFLUSHABLE : region && legacyCaveat(host, region),
    assumed: assumed && !isMemory && (volatile || isVirtioPmem(dax.directory)),
    numaNode: dax.numaNode,
    targetNode: dax.targetNode,
    resource: dax.resource,
    mountPoints: [],
    enabled: dax.driver !== undefined,
  };
}

function ofNamespace(
  namespace: Namespace,
  dax: DaxBusDevice | undefined,
  mounts: readonly Mount[],
  host: Host,
  assumed: boolean,
): PmemDevice {
  const { name, region, block } = namespace;
  const device = dax === undefined ? undefined : ofDax(dax, host, assumed);
  const volatile = device?.volatile ?? isVolatileDax(namespace.holder);
  const mode = device?.mode ?? namespace.mode;
  return {
    name,
    mode,
    path: device === undefined ? block && `/dev/${block.name}` : device.path,
    size: device?.size ?? namespace.size,
    alignment: device?.alignment ?? namespace.align,
    sectorSize: mode === 'devdax' || mode === 'system-ram' ? undefined : namespace.sectorSize,
    blockDevice: block?.name,
    charDevice: device?.charDevice,
    region: region?.name,
    provider: region?.provider,
    persistenceDomain: region?.persistenceDomain,
    volatile,
    caveat: device === undefined ? (volatile ? undefined : region && legacyCaveat(host, region)) : device.caveat,
    assumed: device?.assumed ?? (assumed && block !== undefined),
    numaNode: namespace.numaNode ?? device?.numaNode,
    targetNode: namespace.targetNode ?? device?.targetNode,
    resource: device?.resource ?? namespace.resource,
    mountPoints: block === undefined ? [] : mountPoints(block.directory, mounts),
    enabled: namespace.enabled && (device?.enabled ?? true),
  };
}

/** By name, `namespace2.0` before `namespace10.0`. */
const ORDER = new Intl.Collator('en', { numeric: true });

/**
 * The persistent-memory devices of this machine, in any mode, mounted or not, by name: libnvdimm namespaces (NVDIMMs, CXL
 * persistent memory, legacy e820 ranges and `memmap=`, virtio-pmem) and device-DAX memory that belongs to no namespace
 * (memory that firmware set apart, CXL volatile memory). Devices without memory, of which the kernel makes new ones, are left out.
 * Opens no device, and needs neither privileges nor the addon.
 *
 * @throws PmemError `ERR_PMEM_ENVIRONMENT` when PMEM_ASSUME_PERSISTENT is neither 1 nor empty
 */
export function listDevices(): PmemDevice[] {
  return devicesOf(HOST);
}

/** {@link listDevices} of any machine. */
export function devicesOf(host: Host): PmemDevice[] {
  const unclaimed = daxDevices(host);
  const mounts = mountTable(host);
  const assumed = isAssumed();
  const devices = namespaces(host).map((namespace) => {
    const own = unclaimed.findIndex((dax) => dax.directory.startsWith(`${namespace.holder}/`));
    const [dax] = own < 0 ? [] : unclaimed.splice(own, 1);
    return ofNamespace(namespace, dax, mounts, host, assumed);
  });
  return [...devices, ...unclaimed.map((dax) => ofDax(dax, host, assumed))].sort((a, b) =>
    ORDER.compare(a.name, b.name),
  );
}
