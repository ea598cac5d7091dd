/** An end of a copy, as the copy sees it: a device that is mapped, a file or a block device, or a stream. */

/** What is known of an end when it is open. */
export interface EndFacts {
  /** `memory` is mapped, a `file` is read and written at any place, a `stream` from front to back only. */
  readonly kind: 'memory' | 'file' | 'stream';
  /** All of its bytes; undefined where that is unknown, or where there is no end. */
  readonly size: number | undefined;
  /** The same for two ends that are the same file or device; undefined for a file that does not exist yet, and for streams. */
  readonly identity: string | undefined;
  /** Writing past the end extends it. */
  readonly grows: boolean;
}

/** Offsets count from where the copy begins in the end; all numbers are bytes. Whatever throws is a PmemError, or a stream's own error. */
export interface End extends EndFacts {
  /**
   * Called once, before all that follows: the bytes that the copy is about. Locks, claims and maps what has to be, and creates a file
   * that does not exist.
   */
  begin(base: number, length: number): Promise<void>;
  /** What is on a device where the copy goes, in words; undefined where that is blank, and for an end that is no device. */
  contents(length: number): string | undefined;
  /** The memory itself, where the end is memory: the other end's system calls can read and write it without a copy between. */
  window(offset: number, length: number): Promise<Buffer | undefined>;
  /** Fills the target; returns the bytes, fewer than wanted only where the end ends. */
  read(offset: number, target: Buffer): Promise<number>;
  /** Stores the bytes. On memory they are durable when the promise resolves, if they can be at all. */
  write(offset: number, source: Buffer): Promise<void>;
  /** Stores zeroes, as {@link write}. */
  zero(offset: number, length: number): Promise<void>;
  /** What was stored through a {@link window} is as durable as what was written. */
  settle(offset: number, length: number): Promise<void>;
  /** The bytes keep being the caller's after {@link write}: a stream that was passed in may hold them on. */
  readonly keepsBytes: boolean;
  /** Makes all that was written durable; returns whether it survives power-off. */
  finish(): Promise<boolean>;
  close(): Promise<void>;
}
