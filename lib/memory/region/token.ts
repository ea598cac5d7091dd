/** How another thread of the process comes to a region. */

import { native } from '../../binding.js';
import { wrongType, wrongValue } from '../../errors.js';
import { within } from '../checks.js';
import { closedError } from './failure.js';
import { type Mapping, type MappingFacts, mappingOf } from './mapping.js';

/**
 * A region as another thread of this process can open it: pass it through `postMessage` or `workerData`, and call
 * {@link Region.attach} there while the region is open here.
 */
export interface RegionToken {
  readonly pmemRegion: number;
  readonly base: number;
  readonly size: number;
  readonly mapping: MappingFacts;
}

/** Judges by looks; only the addon knows whether there is such a region. */
function isToken(token: unknown): token is RegionToken {
  if (typeof token !== 'object' || token === null) return false;
  const { pmemRegion, mapping } = token as Partial<RegionToken>;
  return Number.isSafeInteger(pmemRegion) && typeof mapping === 'object' && typeof mapping?.path === 'string';
}

export function tokenOf(mapping: Mapping, base: number, size: number): RegionToken {
  const { handle, windows, keeper, jobs, closed, ended, ...facts } = mapping;
  return { pmemRegion: native.identify(handle), base, size, mapping: facts };
}

/** A handle of this thread on the token's mapping, and the token's place in it. */
export function attach(token: RegionToken): { mapping: Mapping; base: number; size: number } {
  if (!isToken(token)) throw wrongType('token', 'what region.share() returned', token);
  const { base, size } = token;
  const facts = { ...token.mapping };
  const attached = native.attach(token.pmemRegion);
  if (attached === undefined) throw closedError('attach', facts.path);
  const { handle, keeper } = attached;
  if (facts.size !== attached.size || !within(base, size, facts.size)) {
    native.close(handle);
    throw wrongValue('token', 'what region.share() returned', token);
  }
  return { mapping: mappingOf({ ...facts, handle, keeper }), base, size };
}
