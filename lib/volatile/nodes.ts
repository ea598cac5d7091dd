/** What the kernel says of NUMA nodes: Documentation/ABI/stable/sysfs-devices-node and admin-guide/mm/numaperf.rst. */

import { join } from 'node:path';
import { PmemError } from '../errors.js';
import type { Host } from '../linux/host.js';
import { attribute, numericAttribute } from '../linux/sysfs/read.js';

function nodesDirectory(host: Host): string {
  return join(host.sys, 'devices', 'system', 'node');
}

function nodeDirectory(host: Host, node: number): string {
  return join(nodesDirectory(host), `node${node}`);
}

/** The numbers of a list such as `0-2,5`, in the kernel's format (core-api/kernel-api: bitmap_parselist). */
export function parseNodeList(text: string): number[] {
  return text
    .split(',')
    .filter((part) => /^\d+(-\d+)?$/.test(part))
    .flatMap((part) => {
      const [first = 0, last = first] = part.split('-').map(Number);
      return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
    });
}

/** The nodes that have memory; a kernel built without NUMA has all of it on node 0, and says nothing of nodes. */
export function memoryNodes(host: Host): number[] {
  const text = attribute(nodesDirectory(host), 'has_memory');
  return text === undefined ? [0] : parseNodeList(text);
}

/** Throws unless the node has memory. */
export function checkNode(node: number, host: Host): void {
  const nodes = memoryNodes(host);
  if (nodes.includes(node)) return;
  const exists = parseNodeList(attribute(nodesDirectory(host), 'online') ?? '').includes(node);
  const why = exists ? 'has no memory' : 'does not exist';
  const others = nodes.length === 0 ? 'none has' : `with memory: ${nodes.join(', ')}`;
  throw new PmemError(
    'ERR_PMEM_NODE',
    `NUMA node ${node} ${why}; ${others}. Memory of a DAX device makes a node of its own in mode system-ram: 'pmem dax reconfigure'`,
  );
}

/** How many bytes a node could give: what is free, and what the kernel could drop. Undefined where it does not tell. */
export function roomOn(node: number, host: Host): number | undefined {
  const text = attribute(nodeDirectory(host, node), 'meminfo');
  if (text === undefined) return undefined;
  const kib = (name: string): number => Number(new RegExp(`\\b${name}:\\s+(\\d+) kB`).exec(text)?.[1] ?? 0);
  return 1024 * (kib('MemFree') + Math.max(0, kib('FilePages') - kib('Shmem')) + kib('SReclaimable'));
}

/** How many bytes in huge pages of this size a node has set apart and free. Undefined where the kernel has no such pages. */
export function hugeRoomOn(node: number, pageSize: number, host: Host): number | undefined {
  const name = join('hugepages', `hugepages-${pageSize / 1024}kB`);
  const own = join(nodeDirectory(host, node), name);
  const pages =
    numericAttribute(own, 'free_hugepages') ?? numericAttribute(join(host.sys, 'kernel', 'mm', name), 'free_hugepages');
  return pages === undefined ? undefined : pages * pageSize;
}

/** Which nodes this process may use memory of, as text: cpusets and containers take some away. */
export function allowedNodes(host: Host): string | undefined {
  return /^Mems_allowed_list:\s*(\S+)/m.exec(attribute(join(host.proc, 'self'), 'status') ?? '')?.[1];
}
