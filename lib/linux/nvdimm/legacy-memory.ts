/** Legacy persistent memory: type 12 of the e820 table, or any RAM that `memmap=size!start` on the kernel's command line names. */

import { join } from 'node:path';
import type { Host } from '../host.js';
import { textAt } from '../look.js';
import { numericAttribute } from '../sysfs/read.js';
import type { NvdimmRegion } from './regions.js';

/** A range of `memmap=`. */
interface Range {
  readonly text: string;
  readonly start: number;
  readonly size: number;
}

const UNITS: Readonly<Record<string, number>> = { '': 0, k: 10, m: 20, g: 30, t: 40, p: 50, e: 60 };

/** As the kernel reads sizes (lib/cmdline.c, memparse): decimal, 0x or octal, with K to E. */
function memparse(text: string): number {
  const [, digits = '', unit = ''] = /^(0x[0-9a-f]+|\d+)([kmgtpe]?)$/i.exec(text) ?? [];
  const value = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  return value * 2 ** (UNITS[unit.toLowerCase()] ?? 0);
}

/** Every `size!start`; one `memmap=` may list several, with commas. */
function rangesOf(commandLine: string): Range[] {
  const lists = [...commandLine.matchAll(/(?:^|\s)"?memmap=(\S+)/g)].flatMap(([, list = '']) => list.split(','));
  return lists.flatMap((text) => {
    const [, size = '', start = ''] = /^([0-9a-z]+)!([0-9a-z]+)$/i.exec(text) ?? [];
    return size === '' ? [] : [{ text, size: memparse(size), start: memparse(start) }];
  });
}

/**
 * Why it is unknown whether a region's memory survives power-off, a clause; undefined of regions of which the platform tells.
 * Provider e820 reports NVDIMMs and ordinary RAM alike.
 */
export function legacyCaveat(host: Host, { name, directory, provider }: NvdimmRegion): string | undefined {
  if (provider !== 'e820') return undefined;
  const head = `${name} is legacy memory (e820), and nothing tells whether it survives power-off`;
  const line = textAt(join(host.proc, 'cmdline'));
  if (line === undefined) {
    return `${head}: ordinary RAM does not, and /proc/cmdline, which may show that it is RAM, cannot be read`;
  }
  const start = numericAttribute(directory, 'resource');
  const own = rangesOf(line).filter(
    (one) => start === undefined || (one.start <= start && start < one.start + one.size),
  );
  if (own.length > 0) {
    const made = own.map(({ text }) => `memmap=${text}`).join(' ');
    return `${head}: the kernel's command line makes it (${made}), of ordinary RAM unless an NVDIMM is at that address`;
  }
  return `${head}: firmware reports it as type 12, and the kernel's command line does not make it`;
}
