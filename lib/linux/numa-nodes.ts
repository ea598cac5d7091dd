/** NUMA nodes: Documentation/ABI/stable/sysfs-devices-node and admin-guide/mm/numaperf.rst. */

import { join } from 'node:path';
import type { Host } from './host.js';
import { attribute, numericAttribute } from './sysfs/read.js';

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

/** The nodes that have memory. A kernel built without NUMA lists no nodes, and has all memory on node 0. */
export function memoryNodes(host: Host): number[] {
  const text = attribute(nodesDirectory(host), 'has_memory');
  return text === undefined ? [0] : parseNodeList(text);
}

/** Whether there is such a node, with memory or without. */
export function isNodeOnline(node: number, host: Host): boolean {
  return parseNodeList(attribute(nodesDirectory(host), 'online') ?? '').includes(node);
}

/** Bytes that can be allocated on a node: free memory and page cache that the kernel can drop. Undefined where it does not tell. */
export function roomOn(node: number, host: Host): number | undefined {
  const text = attribute(nodeDirectory(host, node), 'meminfo');
  if (text === undefined) return undefined;
  const kib = (name: string): number => Number(new RegExp(`\\b${name}:\\s+(\\d+) kB`).exec(text)?.[1] ?? 0);
  return 1024 * (kib('MemFree') + Math.max(0, kib('FilePages') - kib('Shmem')) + kib('SReclaimable'));
}

/** Bytes of free huge pages of this size that are reserved on a node. Undefined where the kernel has no such pages. */
export function hugeRoomOn(node: number, pageSize: number, host: Host): number | undefined {
  const name = join('hugepages', `hugepages-${pageSize / 1024}kB`);
  const own = join(nodeDirectory(host, node), name);
  const pages =
    numericAttribute(own, 'free_hugepages') ?? numericAttribute(join(host.sys, 'kernel', 'mm', name), 'free_hugepages');
  return pages === undefined ? undefined : pages * pageSize;
}

/** The nodes whose memory this process may use, as a list in text: cpusets and containers take some away. */
export function allowedNodes(host: Host): string | undefined {
  return /^Mems_allowed_list:\s*(\S+)/m.exec(attribute(join(host.proc, 'self'), 'status') ?? '')?.[1];
}
