/** What memory of a node can be asked for, checked before anything is mapped. */

import { outOfRange } from '../errors.js';
import {
  booleanOption,
  choiceOption,
  integerOption,
  JOB_OPTIONS,
  type JobOptions,
  powerOfTwoOption,
} from '../options.js';
import { parseSize, type Size } from '../units.js';

/** Options that every mapping of a node's memory has. */
export interface NodeMapOptions {
  /** Bytes, at least 1. */
  size: Size;
  /**
   * Alignment of the address in bytes, a power of two. Default: 2 MiB for sizes of 2 MiB and more, so that the kernel can use huge
   * pages; otherwise one page.
   */
  align?: Size;
  /**
   * Use huge pages of this size, which an administrator has reserved (`/sys/devices/system/node/nodeN/hugepages/…/nr_hugepages`). The
   * size must be a multiple of it. Default: ordinary pages.
   */
  hugePages?: '2MiB' | '1GiB';
  /**
   * Allocate every page before the call returns, and make sure that it is on the node. Without it the kernel allocates a page when it
   * is touched first. If the node or the limit of a control group has no page left then, the kernel kills a process. Default true.
   */
  populate?: boolean;
  /** Fail if a page is on another node; false accepts such pages. Default true. */
  strict?: boolean;
  /** Keep the memory out of core dumps (MADV_DONTDUMP). Default: true for an arena, false for a {@link NodeMemory}. */
  dontDump?: boolean;
}

/**
 * Options of the asynchronous calls. `onProgress` gets the bytes that are allocated on their node, after each step of 32 MiB or one
 * huge page; it is not called without `populate`. A signal gives the memory up after the step at work.
 */
export interface NodeMapAsyncOptions extends NodeMapOptions, JobOptions {}

/** {@link NodeMapOptions}, checked and with their defaults. */
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
const HUGE = { '2MiB': 2 * MIB, '1GiB': 1024 * MIB } as const;
/** No machine has more: 57 bits of address. */
const MOST = 2 ** 52;
/** MAX_NUMNODES of the kernel is at most 1024. */
const MOST_NODE = 1023;

/** Names of {@link NodeMapOptions}. */
export const MAP_OPTIONS = [
  'size',
  'align',
  'hugePages',
  'populate',
  'strict',
  'dontDump',
] as const satisfies readonly (keyof NodeMapOptions)[];

/** Names of {@link NodeMapAsyncOptions}. */
export const MAP_ASYNC_OPTIONS = [...MAP_OPTIONS, ...JOB_OPTIONS] as const;

/** The number of a node; undefined where the option is absent. */
export function nodeOption(value: unknown): number | undefined {
  return integerOption(value, 'node', 0, MOST_NODE);
}

/** Checks options that `ownOptions` has read. */
export function checkMapOptions(options: NodeMapOptions, pageSize: number, dontDump: boolean): CheckedMapOptions {
  const size = parseSize(options.size, 'options.size');
  if (size === 0 || size > MOST) throw outOfRange('options.size', 'from 1 byte to 4 PiB', options.size);
  const named = choiceOption(options.hugePages, 'hugePages', ['2MiB', '1GiB'], undefined);
  const hugePages = named && HUGE[named];
  if (hugePages !== undefined && size % hugePages !== 0) {
    throw outOfRange('options.size', `a multiple of ${named} with hugePages`, options.size);
  }
  const align = powerOfTwoOption(options.align, 'align') ?? (size >= 2 * MIB ? 2 * MIB : pageSize);
  if (align > MOST) throw outOfRange('options.align', 'at most 4 PiB', options.align);
  return {
    size,
    align: Math.max(align, hugePages ?? pageSize),
    hugePages,
    populate: booleanOption(options.populate, 'populate', true),
    strict: booleanOption(options.strict, 'strict', true),
    dontDump: booleanOption(options.dontDump, 'dontDump', dontDump),
  };
}
