/** Claims on bytes within this process: one object stores to them, or several read them. */

import { native } from '../binding.js';

/** A claim that is not ended counts until the object is collected, the region is closed, or the thread ends. */
export interface Claim {
  /** Ends the claim; a second call does nothing. */
  end(): void;
}

/** A claim on bytes of a mapping, or the kind of the claim that is in the way. */
export function claimed(
  handle: number,
  offset: number,
  length: number,
  exclusive: boolean,
): Claim | 'exclusive' | 'shared' {
  const held = native.claim(handle, offset, length, exclusive);
  if (typeof held === 'boolean') return held ? 'exclusive' : 'shared';
  return { end: () => native.unclaim(held) };
}
