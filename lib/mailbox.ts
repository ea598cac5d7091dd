/**
 * The mailbox: a Float64Array through which hot calls pass numbers. A slot costs a tenth of what Node-API takes to convert an
 * argument. JavaScript fills in the arguments, calls without any, and reads the outcome. The numbers in this file are shared with C++.
 */

// Slots. native/node/mailbox.h has the same.

/** Argument of every call: the handle. */
export const HANDLE = 0;
/** Argument: offset in the mapping, in bytes. */
export const OFFSET = 1;
/** Argument: bytes. */
export const LENGTH = 2;
/** Argument: {@link Completion} of a store, count of ranges, or the CRC of earlier bytes. */
export const EXTRA = 3;
/** Outcome of every call: 0, a positive errno, or one of {@link Status}. */
export const STATUS = 4;
/** Outcome after a fault: SIGBUS or SIGSEGV. */
export const FAULT_SIGNAL = 5;
/** Outcome after a fault or damage: offset in the mapping, in bytes; -1 where the fault was in the array. */
export const FAULT_OFFSET = 6;
/** Argument: the byte to fill with. Outcome: the CRC; after a fault its si_code, after damage its {@link Damage}. */
export const RESULT = 7;
/** Argument and outcome: a 64-bit word, in the view `words`. */
export const WORD = 8;

/** Arguments: from here on pairs of offset and length. */
export const RANGES = 9;
/** Pairs at most. */
export const MOST_RANGES = 256;

// Arguments that take the place of ranges.

/** Offset of an entry of 32 bits in a table. */
export const ENTRY = 9;
/** In `halves`: what to subtract from the entry to get the number of its block, and the count of blocks. */
export const TAG = 10;
/** Bytes from block to block. */
export const STRIDE = 11;
/** Offset of the 16 bytes that record an exchange. */
export const RECORD = 12;
/** In `halves`, the low one: index of the entry, for the record. */
export const INDEX = 13;
/** In `halves`: the new block, and a number for the record. */
export const BLOCK = 14;
/** Outcome: becomes 1 before a word of the record may be stored. */
export const BEGUN = 15;
/** Where the bytes to copy begin in an ArrayBuffer. */
export const AT = 16;

/** All slots. */
export const SLOTS = RANGES + 2 * MOST_RANGES;

/** How an operation ended, beside 0 and positive errnos: native/store/durable.h. */
export const Status = { closed: -1, range: -2, fault: -3, damaged: -4, readOnly: -5, volatile: -6 } as const;

/** Why a mapping can no longer be trusted: native/mapping/mapping.h. */
export const Damage = {
  lostPage: 1,
  readOnlyViolated: 2,
  syncFailed: 3,
  corruptPage: 4,
  truncated: 5,
  unknownSize: 6,
} as const;

/** What a store needs to survive a power cut: native/mapping/mapping.h. */
export const NativeGranularity = { byte: 0, 'cache-line': 1, page: 2, never: 3 } as const;

/** How far a store is taken before the call returns: native/store/durable.h. */
export const Completion = { store: 0, flush: 1, persist: 2 } as const;
