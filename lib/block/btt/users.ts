/** Who has a BTT of a memory open: two that store would not know of each other's free blocks. */

import { PmemError } from '../../errors.js';
import type { Memory } from '../../memory/memory.js';

interface Users {
  /** Forgotten without being closed, it counts until it is collected. */
  writer: WeakRef<object> | undefined;
  readonly readers: Set<WeakRef<object>>;
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

function busy(operation: string, what: string): PmemError {
  return new PmemError(
    'ERR_PMEM_BUSY',
    `${operation}: this memory has a BTT open ${what} in this thread; close it first. One that stores must be alone`,
  );
}

/** Throws `ERR_PMEM_BUSY` if somebody is in the way of who wants to store, or to read. */
export function refuseBusy(operation: string, memory: Memory, wantsToStore: boolean): void {
  const { writer, readers } = usersOf(memory);
  if (writer?.deref() !== undefined) throw busy(operation, 'for writing');
  if (!wantsToStore) return;
  for (const reader of readers) {
    if (reader.deref() !== undefined) throw busy(operation, 'for reading');
    readers.delete(reader);
  }
}

/** Takes note of a user; the function returned takes leave of it. */
export function enter(memory: Memory, user: object, stores: boolean): () => void {
  const users = usersOf(memory);
  const reference = new WeakRef(user);
  if (stores) users.writer = reference;
  else users.readers.add(reference);
  return () => {
    if (users.writer === reference) users.writer = undefined;
    users.readers.delete(reference);
  };
}
