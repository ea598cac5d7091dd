/** Bytes that somebody in this process has to himself, or shares with others who only read. */

import { native } from '../binding.js';

/** Forgotten without being ended it counts until it is collected, the region is closed, or the thread ends. */
export interface Claim {
  /** Ending twice is harmless. */
  end(): void;
}

/** A claim on a part of a mapping, or what is in the way. */
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
