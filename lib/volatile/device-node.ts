/** The NUMA node that the memory of a DAX device became. */

import { PmemError } from '../errors.js';
import { daxDeviceNamed } from '../linux/dax/named.js';
import type { Host } from '../linux/host.js';
import { blockSize, hasAddress, memoryBlocks } from '../linux/memory-blocks.js';
import { memoryNodes } from '../linux/numa-nodes.js';

/**
 * The NUMA node of a device in mode `system-ram`.
 *
 * @throws PmemError `ENODEV` when there is no such device; `ERR_PMEM_MODE` when it is in another mode; `ERR_PMEM_NODE` when the
 *   kernel gave it no node, or none of its memory is online. Only root is told which memory of the node is the device's.
 */
export function nodeOfDevice(device: string, host: Host): number {
  const found = daxDeviceNamed(device, host, 'options.device');
  const { name, driver, targetNode } = found;
  if (driver !== 'kmem') {
    const mode = driver === undefined ? 'has no driver' : 'is in mode devdax';
    throw new PmemError(
      'ERR_PMEM_MODE',
      `${name} ${mode}, and an arena needs ordinary memory: 'pmem dax reconfigure ${name} --mode system-ram', which destroys what the device holds`,
      { path: device },
    );
  }
  if (targetNode === undefined) {
    throw new PmemError('ERR_PMEM_NODE', `the kernel does not tell which NUMA node ${name} became`, { path: device });
  }
  // The kernel tells only root which blocks are the device's; for others, all memory of the node counts.
  const known = hasAddress(found) && blockSize(host) !== undefined;
  const isOnline = !known || memoryBlocks(found, host).some(({ online }) => online);
  if (!isOnline || !memoryNodes(host).includes(targetNode)) {
    throw new PmemError(
      'ERR_PMEM_NODE',
      `${name} is NUMA node ${targetNode}, and none of its memory is online: 'daxctl online-memory ${name}', or 'pmem dax reconfigure ${name} --mode system-ram' once more`,
      { path: device },
    );
  }
  return targetNode;
}
