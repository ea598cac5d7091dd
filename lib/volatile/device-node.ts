/** Which node the memory of a DAX device became. */

import { PmemError } from '../errors.js';
import { daxDeviceNamed } from '../memory/dax-device-named.js';
import type { Host } from '../memory/host.js';
import { memoryNodes } from './nodes.js';

/**
 * The NUMA node of a device in mode `system-ram`.
 *
 * @throws PmemError `ENODEV` when there is no such device; `ERR_PMEM_MODE` when it is in another mode; `ERR_PMEM_NODE` when the
 *   kernel gave it no node, or none of its memory is online.
 */
export function nodeOfDevice(device: string, host: Host): number {
  const { name, driver, targetNode } = daxDeviceNamed(device, host, 'options.device');
  if (driver !== 'kmem') {
    const mode = driver === undefined ? 'has no driver' : 'is in mode devdax';
    throw new PmemError(
      'ERR_PMEM_MODE',
      `${name} ${mode}, and an arena needs ordinary memory: 'pmem reconfigure ${name} --mode system-ram', which destroys what the device holds`,
      { path: device },
    );
  }
  if (targetNode === undefined) {
    throw new PmemError('ERR_PMEM_NODE', `the kernel does not tell which NUMA node ${name} became`, { path: device });
  }
  if (!memoryNodes(host).includes(targetNode)) {
    throw new PmemError(
      'ERR_PMEM_NODE',
      `${name} is NUMA node ${targetNode}, and none of its memory is online: 'daxctl online-memory ${name}'`,
      { path: device },
    );
  }
  return targetNode;
}
