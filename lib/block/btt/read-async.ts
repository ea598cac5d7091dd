/** Reads sectors on other threads, while their blocks are kept from being written to. */

import { partOf, zeroPart } from '../../memory/checks.js';
import type { Memory } from '../../memory/memory.js';
import type { CheckedJob } from '../../options.js';
import type { Arena } from './arena.js';

/** Memory that can copy on another thread. */
type AsyncMemory = Memory & { readAsync(offset: number, target: Uint8Array): Promise<void> };

function isAsync(memory: Memory): memory is AsyncMemory {
  return 'readAsync' in memory && typeof memory.readAsync === 'function';
}

/** What a read works on. */
export interface AsyncReader {
  readonly memory: Memory;
  readonly arena: Arena;
  readonly sectorSize: number;
  readonly signal: CheckedJob['signal'];
  /** Throws once the device is closed. */
  readonly refuseClosed: () => void;
  /** Called after each group, with the bytes that were read. */
  readonly onBytes: (bytes: number) => void;
}

/** Blocks read at a time: a hop to another thread costs as much as copying some 64 KiB. */
const MOST_BLOCKS = 64;

async function readGroup(
  memory: AsyncMemory,
  { arena, sectorSize }: AsyncReader,
  first: number,
  count: number,
  target: Uint8Array,
  begin: number,
): Promise<void> {
  const jobs: Promise<void>[] = [];
  try {
    for (let i = 0; i < count; i++) {
      const sector = first + i;
      const at = begin + i * sectorSize;
      const place = arena.locate(sector);
      if (place === undefined) {
        zeroPart(target, at, at + sectorSize);
        continue;
      }
      const { offset, block } = place;
      const piece = partOf(target, at, at + sectorSize);
      arena.tracking.begin(block);
      // An async function, so that the block is given back also where a memory's readAsync throws at once.
      const read = async (): Promise<void> => {
        try {
          await memory.readAsync(offset, piece);
        } catch (error) {
          throw arena.unreadable(sector, block, error);
        } finally {
          arena.tracking.end(block);
        }
      };
      jobs.push(read());
    }
  } finally {
    // No job may write to the target once the promise has settled.
    await Promise.allSettled(jobs);
  }
  await Promise.all(jobs);
}

/** Reads `count` sectors from `first` on to `target[begin]`, a group at a time. */
export async function readAhead(
  reader: AsyncReader,
  first: number,
  count: number,
  target: Uint8Array,
  begin: number,
): Promise<void> {
  const { memory, arena, sectorSize, refuseClosed, signal, onBytes } = reader;
  for (let done = 0; done < count; ) {
    signal?.throwIfAborted();
    refuseClosed();
    const left = count - done;
    const at = begin + done * sectorSize;
    // A writer must always find a block that is not being read. What is too much for that is read at once.
    const room = arena.readersLeft;
    let some = left;
    if (isAsync(memory) && room > 0) {
      some = Math.min(left, room, MOST_BLOCKS);
      await readGroup(memory, reader, first + done, some, target, at);
      // If the BTT was closed meanwhile, another one may be open, which knows of no readers: these bytes may be another sector's.
      refuseClosed();
    } else {
      arena.read(first + done, some, target, at);
    }
    done += some;
    onBytes(some * sectorSize);
  }
}
