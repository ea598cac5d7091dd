/** Small BTTs: arenas of some KiB instead of 16 MiB and more. */

import type { Memory } from 'pmem';
import { format } from '#dist/block/btt/format.js';
import type { ArenaLimits } from '#dist/block/btt/layout.js';
import { type BttFormatOptions, checkFormatOptions } from '#dist/block/btt/options.js';
import { runSteps } from '#dist/block/btt/steps.js';

/** Always the same one, so that images are. */
export const UUID = '6d9f1b1e-0c8a-4c0e-9d53-6a2f6c9b7a10';

/** Arenas of any size up to the memory's. */
export const SMALL: ArenaLimits = { smallest: 4096 * 4, largest: 2 ** 39 };

/** Formats memory that is too small for real arenas. */
export function formatSmall(memory: Memory, options: BttFormatOptions = {}, limits: ArenaLimits = SMALL): void {
  runSteps(format(memory, checkFormatOptions({ uuid: UUID, nfree: 4, ...options }), limits));
}
