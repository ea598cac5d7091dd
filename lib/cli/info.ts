/** `pmem info PATH`: the facts. */

import { basename } from 'node:path';
import type { FileSystem } from '../memory/backing.js';
import { type CpuPaths, cpuPaths } from '../memory/cpu.js';
import type { Explanation } from '../memory/durability/explain.js';
import { formatSize } from '../units.js';
import type { Arguments } from './arguments.js';
import type { Command } from './command.js';
import { explainPath, kindInWords } from './inspect.js';
import { JSON_OBJECT } from './options.js';
import { printJson } from './terminal/output.js';
import { printFacts } from './terminal/table.js';

const UNKNOWN = '-';

function exactSize({ size: bytes, kind }: Explanation): string {
  if (bytes === undefined) return kind === 'devmem' ? 'unlimited' : UNKNOWN;
  const size = formatSize(bytes);
  return bytes < 1024 ? size : `${size} (${bytes} bytes)`;
}

function fileSystemInWords({ type, mountPoint, blockSize, options }: FileSystem): string {
  return `${type} on ${mountPoint}, blocks of ${formatSize(blockSize)} (${options.join(',')})`;
}

function cpuInWords(cpu: Omit<CpuPaths, 'refused'>): string {
  const nontemporal = `non-temporal stores from ${cpu.nontemporalThreshold} B on`;
  return `flush ${cpu.flush}, copy ${cpu.copy}, ${nontemporal}, CRC32C by ${cpu.crc32c}, cache line of ${cpu.cacheLine} B`;
}

function durabilityInWords({ durability }: Explanation): string {
  const { granularity, assumed, mapSync, below } = durability;
  if (durability.volatile) return below === 'volatile' ? 'none: volatile' : 'none: cannot be flushed';
  const beneath = below === 'persistent' ? '' : `, ${below} below`;
  return `${granularity}${mapSync ? ', MAP_SYNC' : ''}${assumed ? ', assumed' : ''}${beneath}`;
}

function run(args: Arguments): number {
  const { path } = args;
  const found = explainPath(path);
  const cpu = cpuPaths();
  if (args.has('json')) {
    printJson({ ...found, cpu });
    return 0;
  }
  const { device, fileSystem } = found;
  printFacts([
    ['path', path],
    ['kind', kindInWords(found.kind)],
    ['size', exactSize(found)],
    ['alignment', formatSize(found.alignment)],
    ['file system', fileSystem === undefined ? UNKNOWN : fileSystemInWords(fileSystem)],
    ['device', device === undefined ? UNKNOWN : `${basename(device)} (${device})`],
    ['NUMA node', found.numaNode === undefined ? UNKNOWN : String(found.numaNode)],
    ['persistence domain', found.persistenceDomain ?? UNKNOWN],
    ['durability', durabilityInWords(found)],
    ['', found.durability.reason],
    ['CPU', cpuInWords(cpu)],
  ]);
  return 0;
}

export const info: Command = {
  description: [
    'Shows what is at PATH (a file, /dev/daxX.Y, /dev/mem, a PCI resourceN, a block device), the durability of a region on it, and the instructions by which this CPU flushes, copies and checksums. Changes nothing.',
  ],
  options: { json: JSON_OBJECT },
  examples: ['pmem info /dev/pmem0', 'pmem info /mnt/pmem/file --json'],
  run,
};
