/** Who works on the BTT of a memory: two that store would not know of each other's free blocks. */

import { PmemError } from '../../errors.js';
import type { Claim } from '../../memory/claim.js';
import type { Memory } from '../../memory/memory.js';

/** Memory that knows which bytes of which file it is, and who in this process has them (a Region). */
type ClaimableMemory = Memory & {
  claim(operation: string, exclusive: boolean): Claim | 'exclusive' | 'shared';
};

function isClaimable(memory: Memory): memory is ClaimableMemory {
  return 'claim' in memory && typeof memory.claim === 'function';
}

/** Of any other memory: who has the same object. */
interface Users {
  /** Forgotten without being ended, it counts until it is collected. */
  writer: WeakRef<Claim> | undefined;
  readonly readers: Set<WeakRef<Claim>>;
}

const known = new WeakMap<Memory, Users>();

function usersOf(memory: Memory): Users {
  let users = known.get(memory);
  if (users === undefined) {
    users = { writer: undefined, readers: new Set() };
    known.set(memory, users);
  }
  return users;
}

function claimObject(memory: Memory, stores: boolean): Claim | 'exclusive' | 'shared' {
  const users = usersOf(memory);
  if (users.writer?.deref() !== undefined) return 'exclusive';
  for (const reader of users.readers) {
    if (reader.deref() === undefined) users.readers.delete(reader);
    else if (stores) return 'shared';
  }
  const claim: Claim = {
    end: () => {
      if (users.writer === reference) users.writer = undefined;
      users.readers.delete(reference);
    },
  };
  const reference = new WeakRef(claim);
  if (stores) users.writer = reference;
  else users.readers.add(reference);
  return claim;
}

/**
 * Begins to use the BTT on a memory. The claim is to be held, and ended, by who uses it.
 *
 * @throws PmemError `EBUSY` where the kernel uses the file or device to be stored into; `ERR_PMEM_BUSY` where somebody in this process stores, or reads what is to be stored into
 */
export function enter(operation: string, memory: Memory, stores: boolean): Claim {
  if (stores && 'refuseInUse' in memory && typeof memory.refuseInUse === 'function') memory.refuseInUse();
  const claim = isClaimable(memory) ? memory.claim(operation, stores) : claimObject(memory, stores);
  if (typeof claim === 'object') return claim;
  const what = claim === 'exclusive' ? 'to store into it' : 'to read it';
  throw new PmemError(
    'ERR_PMEM_BUSY',
    `${operation}: somebody in this process uses a BTT on this memory ${what} (a Btt that is open, a check, a format); ` +
      'one that stores must be alone: close the other, or wait for it',
  );
}
