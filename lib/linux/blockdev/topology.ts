/** Sectors and I/O sizes of block devices: Documentation/ABI/stable/sysfs-block, queue. */

import { dirname, join } from 'node:path';
import { attribute, numericAttribute } from '../sysfs/read.js';
import { isPartition, queueOf } from './stack.js';

/** Sectors of a block device as the kernel describes them, in bytes. */
export interface Topology {
  readonly logical: number;
  readonly physical: number;
  readonly leastIo: number;
  readonly bestIo: number;
  readonly model: string | undefined;
}

/** The topology of the disk or partition with this directory; 512 bytes where the kernel does not tell. */
export function topologyOf(directory: string): Topology {
  const queue = queueOf(directory);
  const logical = numericAttribute(queue, 'logical_block_size') ?? 512;
  const leastIo = numericAttribute(queue, 'minimum_io_size') || logical;
  return {
    logical,
    physical: numericAttribute(queue, 'physical_block_size') ?? logical,
    leastIo,
    bestIo: numericAttribute(queue, 'optimal_io_size') || leastIo,
    model: attribute(join(isPartition(directory) ? dirname(directory) : directory, 'device'), 'model'),
  };
}
