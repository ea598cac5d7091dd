/** Whether a NUMA node can give memory. */

import { PmemError } from '../errors.js';
import type { Host } from '../linux/host.js';
import { isNodeOnline, memoryNodes } from '../linux/numa-nodes.js';

/**
 * Refuses a node without memory.
 *
 * @throws PmemError `ERR_PMEM_NODE`
 */
export function checkNode(node: number, host: Host): void {
  const nodes = memoryNodes(host);
  if (nodes.includes(node)) return;
  const why = isNodeOnline(node, host) ? 'has no memory' : 'does not exist';
  const others = nodes.length === 0 ? 'none has' : `with memory: ${nodes.join(', ')}`;
  throw new PmemError(
    'ERR_PMEM_NODE',
    `NUMA node ${node} ${why}; ${others}. Memory of a DAX device makes a node of its own in mode system-ram: 'pmem dax reconfigure'`,
  );
}
