/** The options of a BTT's calls, and their checks. */

import { randomUUID } from 'node:crypto';
import { wrongType, wrongValue } from '../../errors.js';
import type { Memory } from '../../memory/memory.js';
import { booleanOption, choiceOption, integerOption, ownOptions } from '../../options.js';
import { checkMemory } from '../arguments.js';
import { isGuid } from '../guid.js';
import { isReadOnly } from '../memory-facts.js';
import { NO_UUID } from './info-block.js';
import { type BttSectorSize, type BttVersion, MOST_LANES, SECTOR_SIZES, USUAL_LANES, VERSIONS } from './layout.js';

/** Options of `Btt.format`. */
export interface BttFormatOptions {
  /** Bytes of a sector: 512 or 4096, or with 8, 16, 64 or 128 bytes more. Default 4096. */
  readonly sectorSize?: BttSectorSize;
  /** `'1.1'` as Linux makes it, from 4096 on; `'2.0'` as UEFI describes it, from 0 on. Default `'1.1'`. */
  readonly version?: BttVersion;
  /** Default: random (RFC 9562, version 4). */
  readonly uuid?: string;
  /** UUID of the namespace. Linux refuses a BTT that names another namespace. Default: none, which Linux takes anywhere. */
  readonly parentUuid?: string;
  /** Free blocks of an arena: the most sectors that are written at the same time. From 1 to 65,536; default 256, as Linux has it. */
  readonly nfree?: number;
  /**
   * Overwrite what is there. Default false: `ERR_PMEM_IN_USE` unless the first and the last MiB are blank, each all 0x00 or all 0xFF,
   * and no known format is found.
   */
  readonly force?: boolean;
  /**
   * The caller knows that all of the memory is zero, as of a file just made: then the map is not cleared, which would take a while
   * and fill a sparse file. Default false. Where this is not true, the BTT is damaged from the beginning.
   */
  readonly zeroed?: boolean;
}

/** Options of `Btt.open`. */
export interface BttOpenOptions {
  /** Refuse everything that stores, and do not complete interrupted writes. Default: whether the memory is read-only. */
  readonly readOnly?: boolean;
  /**
   * Go through the maps too, and refuse a BTT that is not safe to write to; read-only, put its damage into `info.problems`. Default:
   * whether the maps together have 16 MiB or less, which take 200 ms.
   */
  readonly verify?: boolean;
}

/** Options of `Btt.check`. */
export interface BttCheckOptions {
  /** Repair all damage, if all of it can be repaired. Default false: nothing is stored. */
  readonly repair?: boolean;
  /**
   * With `repair`: make the flogs as new, each lane keeping its free block, as `ndctl check-namespace --rewrite-log` does. Then
   * kernels before 4.15, which use other slots of the flog, can use the BTT as later ones can. A power cut in the middle is harmless.
   * Default false.
   */
  readonly rewriteLog?: boolean;
}

export interface CheckedCheck {
  readonly repair: boolean;
  readonly rewriteLog: boolean;
}

export interface CheckedFormat {
  readonly sectorSize: BttSectorSize;
  readonly version: BttVersion;
  readonly uuid: string;
  readonly parentUuid: string;
  readonly nfree: number;
  readonly force: boolean;
  readonly zeroed: boolean;
}

function uuidOption(value: unknown, name: string): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw wrongType(`options.${name}`, 'a UUID', value);
  if (!isGuid(value)) throw wrongValue(`options.${name}`, 'a UUID', value);
  return value.toLowerCase();
}

export const FORMAT_OPTIONS = ['sectorSize', 'version', 'uuid', 'parentUuid', 'nfree', 'force', 'zeroed'] as const;

export function checkFormatOptions(given: BttFormatOptions): CheckedFormat {
  const options = ownOptions(given, FORMAT_OPTIONS);
  return {
    sectorSize: choiceOption(options.sectorSize, 'sectorSize', SECTOR_SIZES, 4096),
    version: choiceOption(options.version, 'version', VERSIONS, '1.1'),
    nfree: integerOption(options.nfree, 'nfree', 1, MOST_LANES) ?? USUAL_LANES,
    uuid: uuidOption(options.uuid, 'uuid') ?? randomUUID(),
    parentUuid: uuidOption(options.parentUuid, 'parentUuid') ?? NO_UUID,
    force: booleanOption(options.force, 'force', false),
    zeroed: booleanOption(options.zeroed, 'zeroed', false),
  };
}

export function checkOpenOptions(
  memory: Memory,
  given: BttOpenOptions,
): { readOnly: boolean; verify: boolean | undefined } {
  checkMemory(memory);
  const options = ownOptions(given, ['readOnly', 'verify']);
  const readOnly = booleanOption(options.readOnly, 'readOnly', false) || isReadOnly(memory);
  return { readOnly, verify: booleanOption(options.verify, 'verify') };
}

export const CHECK_OPTIONS = ['repair', 'rewriteLog'] as const;

export function checkCheckOptions(given: BttCheckOptions): CheckedCheck {
  const options = ownOptions(given, CHECK_OPTIONS);
  const repair = booleanOption(options.repair, 'repair', false);
  const rewriteLog = booleanOption(options.rewriteLog, 'rewriteLog', false);
  if (rewriteLog && !repair) throw wrongValue('options.rewriteLog', 'together with repair: true', rewriteLog);
  return { repair, rewriteLog };
}
