/** The machine of the figures. */

import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { cpuPaths } from 'pmem';

/** The `machine` of a suite's result. */
export interface Machine {
  cpu: string;
  cores: number;
  memory_bytes: number;
  kernel: string;
  node: string;
  arch: string;
  paths: ReturnType<typeof cpuPaths>;
}

/** Details of the CPU that `os.cpus()` lacks: CPUs with one marketing name differ. */
function cpuName(): string {
  const name = cpus()[0]?.model ?? 'unknown';
  const text = readFileSync('/proc/cpuinfo', 'utf8');
  const field = (key: string) => new RegExp(`^${key}\\s*: (.*)$`, 'm').exec(text)?.[1];
  const family = field('cpu family');
  return family === undefined ? name : `${name} (family ${family}, model ${field('model')})`;
}

export function machine(): Machine {
  return {
    cpu: cpuName(),
    cores: availableParallelism(),
    memory_bytes: totalmem(),
    kernel: release(),
    node: process.version,
    arch: process.arch,
    paths: cpuPaths(),
  };
}
