/** Reads sectors on other threads, with their blocks kept from being written to. */

import type { Memory } from '../../memory/memory.js';
import type { Arena } from './arena.js';

/** Memory that can copy on another thread. */
type AsyncMemory = Memory & { readAsync(offset: number, target: Uint8Array): Promise<void> };

function isAsync(memory: Memory): memory is AsyncMemory {
  return 'readAsync' in memory && typeof memory.readAsync === 'function';
}

/** Where a read goes on. */
export interface AsyncReader {
  readonly memory: Memory;
  readonly arena: Arena;
  /** The device's number of the arena's first sector. */
  readonly base: number;
  readonly sectorSize: number;
  /** Throws once the device is closed. */
  readonly still: () => void;
  readonly signal: AbortSignal | undefined;
}

/** Blocks read at a time: a hop to another thread costs as much as copying some 64 KiB. */
const MOST_BLOCKS = 64;

async function readGroup(memory: AsyncMemory, reader: AsyncReader, first: number, target: Uint8Array): Promise<void> {
  const { arena, base, sectorSize } = reader;
  const jobs: Promise<void>[] = [];
  try {
    for (let at = 0, sector = first; at < target.length; at += sectorSize, sector++) {
      const piece = target.subarray(at, at + sectorSize);
      const place = arena.locate(base, sector);
      if (place === undefined) {
        piece.fill(0);
        continue;
      }
      const { offset, block } = place;
      arena.tracking.begin(block);
      // Also where somebody's memory throws at once, its block is let go.
      const read = async (): Promise<void> => {
        try {
          await memory.readAsync(offset, piece);
        } catch (error) {
          throw arena.unreadable(base + sector, block, error);
        } finally {
          arena.tracking.end(block);
        }
      };
      jobs.push(read());
    }
  } finally {
    // None may go on writing to the target once the promise has settled.
    await Promise.allSettled(jobs);
  }
  await Promise.all(jobs);
}

/** Reads whole sectors from `first` on, a group at a time. */
export async function readAhead(reader: AsyncReader, first: number, target: Uint8Array): Promise<void> {
  const { memory, arena, base, sectorSize, still, signal } = reader;
  for (let at = 0, sector = first; at < target.length; ) {
    signal?.throwIfAborted();
    still();
    const left = (target.length - at) / sectorSize;
    // So many that a writer always finds a block that nobody reads; the rest is read at once.
    const room = arena.readersLeft;
    const count = Math.min(left, isAsync(memory) && room > 0 ? Math.min(room, MOST_BLOCKS) : left);
    const piece = target.subarray(at, at + count * sectorSize);
    if (isAsync(memory) && room > 0) {
      await readGroup(memory, reader, sector, piece);
      // Closed meanwhile, another one may have been opened, which knows of no readers: these may be another sector's bytes.
      still();
    } else {
      arena.read(base, sector, count, piece, 0);
    }
    at += piece.length;
    sector += count;
  }
}
