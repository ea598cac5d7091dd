/** Which sectors a device has, and what it says to whoever asks for others. */

import { closedDevice, refuseRange } from './block-errors.js';

/**
 * A range is refused by one comparison: the limit is the number of sectors, and -1 once closed. Only what was found to be wrong is
 * looked at closer.
 */
export class SectorLimits {
  readonly sectorSize: number;
  readonly sectorCount: number;
  /** What the device is called in messages: `the disk`, `the partition`. */
  readonly noun: string;
  /** Whether what the device is made of has ended. */
  readonly #hasEnded: () => boolean;
  #limit: number;

  constructor(noun: string, sectorSize: number, sectorCount: number, hasEnded: () => boolean = () => false) {
    this.noun = noun;
    this.sectorSize = sectorSize;
    this.sectorCount = sectorCount;
    this.#hasEnded = hasEnded;
    this.#limit = sectorCount;
  }

  get closed(): boolean {
    return this.#limit < 0 || this.#hasEnded();
  }

  close(): void {
    this.#limit = -1;
  }

  /**
   * Throws unless they are sectors of the device; a `count` that is no whole number fails too.
   *
   * @param length in bytes, where an array was given
   */
  check(operation: string, lba: number, count: number, length?: number): void {
    if (
      !(
        Number.isSafeInteger(lba) &&
        Number.isSafeInteger(count) &&
        lba >= 0 &&
        count >= 0 &&
        lba + count <= this.#limit
      )
    ) {
      if (this.closed) throw closedDevice(operation, this.noun);
      refuseRange(operation, this, lba, count, length);
    }
  }

  /** Checks arrays one after the other, given their lengths in bytes; returns the sectors of all together. */
  checkList(operation: string, lba: number, lengths: readonly number[]): number {
    let total = 0;
    for (const length of lengths) {
      this.check(operation, 0, length / this.sectorSize, length);
      total += length;
    }
    this.check(operation, lba, total / this.sectorSize, total);
    return total / this.sectorSize;
  }
}
