/** The addons of test/native. */

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ROOT } from './paths.js';

const HOME = join(ROOT, 'test', 'native');

/** The addon `kernel`, which asks the kernel directly. Lengths and offsets are in bytes. */
export interface KernelAddon {
  /** Page faults that reading (or, with 1, storing into) a byte in each `stride` bytes costs this thread. */
  touch(buffer: Uint8Array, stride: number, store: 0 | 1): number;
  /** The errno of a plain mmap for reading and writing with these flags; 0 when it works. */
  map(path: string, flags: number, offset: number, length: number): number;
  /**
   * The errno of mmap(2) with just these numbers, by a child; 0 when it maps and both ends can be read, and the negative number of
   * the signal that kills whoever reads them; 255 when the first 8 bytes are not the expected ones.
   */
  attempt(
    fd: number,
    protection: number,
    flags: number,
    address: bigint,
    offset: bigint,
    length: bigint,
    expected?: bigint,
  ): number;
  /** Maps something of no use at the address, for good, whatever is there. Returns an errno. */
  occupy(address: bigint, length: number): number;
  /** memfd_create(2) and ftruncate(2): a descriptor, or the negative errno. */
  memfd(flags: number, size: number): number;
  /** The errno of fcntl(2), F_ADD_SEALS. */
  seal(fd: number, seals: number): number;
  /** Copies out of a plain shared mapping, from `at` on; the process dies by SIGBUS where there is no memory. Returns an errno. */
  copyOut(path: string, offset: number, length: number, at: number, target: Uint8Array): number;
  /** The errno of msync(2) of the buffer. */
  msync(buffer: Uint8Array): number;
  /** The errno of madvise(2) on the buffer. */
  madvise(buffer: Uint8Array, advice: number): number;
  /** Makes the page at the offset one that the hardware reports as corrupt; returns an errno. */
  poison(buffer: Uint8Array, offset: number): number;
  /** The same to a page of a plain mapping of the file or device. */
  poisonFile(path: string, offset: number): number;
  /** The errno that a child made by fork(2) gets when it passes the buffer's first byte to the kernel; 0 when it has it. */
  inFork(buffer: Uint8Array): number;
  /** The id of a child made by fork(2), which has every descriptor of this process; or the negative errno. Give it to `reap`. */
  fork(): number;
  /** Ends such a child; returns an errno. */
  reap(pid: number): number;
}

/** The addon `faults`. For child processes only. */
export interface FaultsAddon {
  /** Allocates a protection key that this thread may use, and a page behind it; -1 where there are none. */
  key(): number;
  /** 7; the process dies of SIGSEGV where the thread may not use the key. */
  touchKeyed(): number;
  /** PKRU, where there are keys. */
  rights(): number;
  /** Sets the modes of floating point; 0 where this CPU has none of these registers. */
  setModes(mxcsr: number, x87: number): number;
  mxcsr(): number;
  x87(): number;
  /** Gives this thread an alternate stack with SS_AUTODISARM; 0, or -1. */
  ownStack(): number;
  /** Bytes of the alternate stack; 0 without one. */
  stackSize(): number;
  /** Remembers the address of the buffer's first byte for `late` and `loadRemembered`. */
  remember(buffer: Uint8Array): void;
  /** Raises the signal of an earlier fault at the remembered address. */
  late(signal: number, code: number): number;
  loadRemembered(): number;
  /** The sum of a byte in each `stride` bytes (with 1, once 1 was stored there) while the process has no room for mappings. */
  useUpAndTouch(buffer: Uint8Array, stride: number, store: 0 | 1): number;
  /** Listens to the signal by libuv, on this thread's loop. */
  listen(signal: number): number;
  /** Ends all listening. */
  unlisten(): void;
}

/** mmap(2), x86-64 and arm64. */
export const MAP = { SHARED: 1, PRIVATE: 2, SHARED_VALIDATE: 3, SYNC: 0x80000 } as const;

/** Builds all of them where one is missing or older than a source, and returns the path of the named one. */
export function buildNative(name: 'signals' | 'kernel' | 'faults' | 'steps'): string {
  const path = (one: string) => join(HOME, 'build', 'Release', `${one}.node`);
  const files = readdirSync(HOME).filter((file) => /\.(cc|h)$/.test(file));
  const newest = files.reduce((time, file) => Math.max(time, statSync(join(HOME, file)).mtimeMs), 0);
  const current = files
    .filter((file) => file.endsWith('.cc'))
    .map((file) => path(file.replace('.cc', '')))
    .every((built) => existsSync(built) && statSync(built).mtimeMs >= newest);
  if (!current) {
    const gyp = join(ROOT, 'node_modules', '.bin', 'node-gyp');
    const { LD_PRELOAD, CXXFLAGS, LDFLAGS, ...env } = process.env;
    execFileSync(gyp, ['rebuild', '--directory', HOME], { env, stdio: 'pipe' });
  }
  return path(name);
}

/** The addon `kernel`, in this process. */
export function loadKernel(): KernelAddon {
  return createRequire(import.meta.url)(buildNative('kernel')) as KernelAddon;
}
