/** Who uses the BTT of a memory: two writers would not know of each other's free blocks. */

import { PmemError } from '../../errors.js';
import type { Claim } from '../../memory/claim.js';
import type { Memory } from '../../memory/memory.js';
import { refuseInUse } from '../memory-facts.js';

/** Memory that knows which bytes of which file it maps, and who in this process uses them (a Region). */
type ClaimableMemory = Memory & {
  claim(operation: string, exclusive: boolean): Claim | 'exclusive' | 'shared';
};

function isClaimable(memory: Memory): memory is ClaimableMemory {
  return 'claim' in memory && typeof memory.claim === 'function';
}

/** The claims on any other memory: on the same object. A claim that was forgotten without being ended counts until it is collected. */
interface ObjectClaims {
  exclusive: WeakRef<Claim> | undefined;
  readonly shared: Set<WeakRef<Claim>>;
}

const claimsOnObjects = new WeakMap<Memory, ObjectClaims>();

function claimsOn(memory: Memory): ObjectClaims {
  let claims = claimsOnObjects.get(memory);
  if (claims === undefined) {
    claims = { exclusive: undefined, shared: new Set() };
    claimsOnObjects.set(memory, claims);
  }
  return claims;
}

function claimObject(memory: Memory, exclusive: boolean): Claim | 'exclusive' | 'shared' {
  const claims = claimsOn(memory);
  if (claims.exclusive?.deref() !== undefined) return 'exclusive';
  for (const other of claims.shared) {
    if (other.deref() === undefined) claims.shared.delete(other);
    else if (exclusive) return 'shared';
  }
  const claim: Claim = {
    end: () => {
      if (claims.exclusive === reference) claims.exclusive = undefined;
      claims.shared.delete(reference);
    },
  };
  const reference = new WeakRef(claim);
  if (exclusive) claims.exclusive = reference;
  else claims.shared.add(reference);
  return claim;
}

/**
 * Claims the BTT on a memory: exclusively to store, else shared. The caller holds the claim, and ends it.
 *
 * @throws PmemError `EBUSY` where the kernel uses the file or device that is to be stored into; `ERR_PMEM_BUSY` where another claim in
 *   this process is in the way
 */
export function claimBtt(operation: string, memory: Memory, exclusive: boolean): Claim {
  if (exclusive) refuseInUse(memory);
  const claim = isClaimable(memory) ? memory.claim(operation, exclusive) : claimObject(memory, exclusive);
  if (typeof claim === 'object') return claim;
  const what = claim === 'exclusive' ? 'stores into' : 'reads';
  throw new PmemError(
    'ERR_PMEM_BUSY',
    `${operation}: another Btt, check or format of this process ${what} the BTT on this memory, and one that stores must be alone; ` +
      'close the other, or wait for it',
  );
}
