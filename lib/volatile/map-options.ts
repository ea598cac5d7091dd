/** What memory of a node can be asked for, checked before anything is mapped. */

import { outOfRange, wrongType, wrongValue } from '../errors.js';
import { parseSize, type Size } from '../units.js';

/** Options that memory of a node has in common, whatever is made of it. */
export interface NodeMapOptions {
  /** Bytes, at least 1. */
  size: Size;
  /**
   * Alignment of the address in bytes, a power of two. Default: 2 MiB from 2 MiB on, so that the kernel can use huge pages,
   * else a page.
   */
  align?: Size;
  /**
   * Use huge pages of this size that were set apart (`/sys/devices/system/node/nodeN/hugepages/…/nr_hugepages`); the size is
   * then a multiple of it. Default: ordinary pages.
   */
  hugePages?: '2MiB' | '1GiB';
  /**
   * Have every page there before the call returns, on the node for sure. Without it a page gets its place when it is
   * touched first; if the node, or the limit of a control group, has none left by then, the kernel ends a process. Default true.
   */
  populate?: boolean;
  /** Fail if a page is on another node; false accepts that. Default true. */
  strict?: boolean;
  /** Keep the memory out of core dumps (MADV_DONTDUMP). Default: true for an arena, false for `mapOnNode`. */
  dontDump?: boolean;
}

/** What the asynchronous calls take beside. */
export interface NodeMapAsyncOptions {
  /** Gives the memory up, after the piece at work; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Called after each piece (32 MiB, or one huge page) with the bytes that are there, on their node; not without `populate`. */
  onProgress?: (bytes: number) => void;
}

/** Options with their defaults filled in. */
export interface CheckedMapOptions {
  readonly size: number;
  readonly align: number;
  /** Bytes of a huge page. */
  readonly hugePages: number | undefined;
  readonly populate: boolean;
  readonly strict: boolean;
  readonly dontDump: boolean;
}

const MIB = 2 ** 20;
const HUGE: Readonly<Record<string, number>> = { '2MiB': 2 * MIB, '1GiB': 1024 * MIB };
/** No machine has more: 57 bits of address. */
const MOST = 2 ** 52;

/** Names of the options that {@link checkMapOptions} knows. */
export const MAP_OPTIONS: readonly (keyof NodeMapOptions)[] = [
  'size',
  'align',
  'hugePages',
  'populate',
  'strict',
  'dontDump',
];

/** Names of those of {@link NodeMapAsyncOptions}. */
export const ASYNC_OPTIONS: readonly (keyof NodeMapAsyncOptions)[] = ['signal', 'onProgress'];

/** A boolean option. */
export function checkBoolean(value: unknown, name: string, fallback: boolean): boolean {
  if (value === undefined) return fallback;
  if (typeof value !== 'boolean') throw wrongType(name, 'a boolean', value);
  return value;
}

/** A power of two in bytes. */
export function checkAlign(value: Size, name: string): number {
  const align = parseSize(value, name);
  if (align === 0 || 2 ** Math.round(Math.log2(align)) !== align) throw outOfRange(name, 'a power of two', value);
  return align;
}

/** A node's number. */
export function checkNodeNumber(node: unknown, name: string): number {
  if (typeof node !== 'number') throw wrongType(name, 'the number of a NUMA node', node);
  if (!Number.isInteger(node) || node < 0 || node > 1023) throw outOfRange(name, 'an integer from 0 to 1023', node);
  return node + 0;
}

export function checkMapOptions(options: NodeMapOptions, pageSize: number, dontDump: boolean): CheckedMapOptions {
  const size = parseSize(options.size, 'options.size');
  if (size === 0 || size > MOST) throw outOfRange('options.size', 'from 1 byte to 4 PiB', options.size);
  const { hugePages: named } = options;
  const hugePages = typeof named === 'string' && Object.hasOwn(HUGE, named) ? HUGE[named] : undefined;
  if (named !== undefined && hugePages === undefined) {
    throw wrongValue('options.hugePages', "'2MiB' or '1GiB'", named);
  }
  if (hugePages !== undefined && size % hugePages !== 0) {
    throw outOfRange('options.size', `a multiple of ${named} with hugePages`, options.size);
  }
  const usual = size >= 2 * MIB ? 2 * MIB : pageSize;
  const align = options.align === undefined ? usual : checkAlign(options.align, 'options.align');
  if (align > MOST) throw outOfRange('options.align', 'at most 4 PiB', options.align);
  return {
    size,
    align: Math.max(align, hugePages ?? pageSize),
    hugePages,
    populate: checkBoolean(options.populate, 'options.populate', true),
    strict: checkBoolean(options.strict, 'options.strict', true),
    dontDump: checkBoolean(options.dontDump, 'options.dontDump', dontDump),
  };
}
