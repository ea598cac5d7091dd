/** The refusal of a mapping that is weaker than the caller asked for. */

import { PmemError } from '../../errors.js';
import type { Backing } from '../backing.js';
import type { Durability, Granularity } from '../memory.js';
import { hasObstacles, type Obstacle, obstacles } from './obstacles.js';

/** The way out, in a line. */
function wayOut({ remedy, commands }: Obstacle): string {
  return commands.length === 0 ? remedy : `${remedy}: ${commands.join(' && ')}`;
}

function reasonOf(
  backing: Backing,
  syncErrno: number,
  { granularity, reason, volatile }: Durability,
  wanted: Granularity,
) {
  const causes = granularity === 'page' && hasObstacles(backing) ? obstacles(backing, syncErrno) : [];
  if (causes.length > 0) return causes.map((one) => `${one.cause}. Way out: ${wayOut(one)}`).join('. ');
  if (wanted !== 'byte' || volatile) return reason;
  return `${reason}. Whether the platform flushes CPU caches on power failure cannot be changed; 'cache-line' is what it offers`;
}

/** `ERR_PMEM_GRANULARITY`, with the obstacles and their ways out. */
export function tooCoarse(backing: Backing, syncErrno: number, durability: Durability, wanted: Granularity): PmemError {
  const { path } = backing;
  const offered = durability.volatile ? 'no durability' : `granularity '${durability.granularity}'`;
  const reason = reasonOf(backing, syncErrno, durability, wanted);
  return new PmemError(
    'ERR_PMEM_GRANULARITY',
    `'${path}' offers ${offered}, and '${wanted}' was asked for: ${reason}`,
    {
      path,
    },
  );
}
