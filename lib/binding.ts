/**
 * The addon's typed face: the one place that loads it, and the one place that states what each of its functions does.
 *
 * Everything here is internal: policy is in the floors above. Numbers are integers. C++ checks handles and ranges again, because
 * memory safety must not depend on TypeScript; it does not check whether a request makes sense.
 */

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { PmemError } from './errors.js';
import { SLOTS } from './mailbox.js';

export * from './mailbox.js';

/** An open handle of this thread on a mapping. */
export interface Mapped {
  handle: number;
  /** Closes the handle when it is collected. */
  keeper: object;
  /** The kernel granted MAP_SYNC. */
  synchronous: boolean;
  /** Bytes. */
  size: number;
}

/** What {@link MappingCalls.map} is asked for. C++ does not check whether the numbers make sense. A flag that is absent is false. */
export interface MapRequest {
  fd: number;
  /**
   * Bytes of the file, mapped back to back in one range of addresses; all lengths but the last are multiples of `pageSize`. EINVAL
   * where they do not fit together.
   */
  extents: readonly { readonly offset: number; readonly length: number }[];
  /** Sum of the extents' lengths. */
  length: number;
  /** Unit in which the kernel maps this backing. */
  pageSize: number;
  /** Of the virtual address, relative to the offset; a power of two. */
  alignment: number;
  /** Fail with ENOMEM rather than accept a lesser alignment. */
  mustAlign?: boolean;
  /** Where to map; EEXIST when something is there. Absent or 0: anywhere. */
  address?: number;
  writable: boolean;
  /** Ask for MAP_SYNC; where the kernel refuses it, map without. */
  trySync?: boolean;
  populate?: boolean;
  /** Drain must read from the device (PCI). */
  readBack?: boolean;
  /** No fault may bring in more than a page of the kernel's, whatever the file system could map at once. */
  smallPages?: boolean;
  /** Keep the memory out of core dumps. */
  dontDump?: boolean;
  /** Reserve no huge pages: a shared mapping's reservation lasts until the file is truncated. For mappings that are only looked at. */
  noReserve?: boolean;
  /** A lock that moves into the mapping if the call succeeds. The given one is empty then. */
  lock?: HeldLock | undefined;
}

/** What {@link NodeCalls.mapNode} is asked for. Lengths are bytes. */
export interface NodeMapRequest {
  length: number;
  pageSize: number;
  /** Of the virtual address; a power of two. */
  alignment: number;
  /** `pageSize` is a size of huge pages (hugetlb). */
  hugePages: boolean;
  /** -1: any. */
  node: number;
  /** Every page gets memory now: of the node while it has some, else of others. */
  populate: boolean;
  /** `populateAsync` and `bindNode` will do that later, chunk by chunk. */
  later: boolean;
  /** Keep the memory out of core dumps. */
  dontDump: boolean;
}

/** An ArrayBuffer on mapped memory. */
export interface MappedBuffer {
  buffer: ArrayBuffer;
  /** The addon's record of it, for the other calls. */
  view: object;
}

declare const HELD: unique symbol;

/**
 * One user of a lock on ranges of a file, until it is given to {@link MappingCalls.map} or {@link LockCalls.unlock}, is collected,
 * or its thread ends at any point. Empty from then on; every call on an empty one is harmless.
 */
export interface HeldLock {
  readonly [HELD]: never;
}

/** How an asynchronous operation ended; the fields are those of the mailbox. */
export interface Outcome {
  status: number;
  signal?: number;
  code?: number;
  offset?: number;
}

/** The paths that the addon uses on this CPU. */
export interface CpuPaths {
  /** Instruction that writes a cache line back. */
  flush: 'clwb' | 'clflushopt' | 'clflush' | 'dc cvap' | 'dc cvac';
  /** Registers of bulk stores. */
  copy: 'avx512' | 'avx' | 'sse2' | 'generic';
  /** How CRC32C is computed. */
  crc32c: 'instruction' | 'table';
  /** Bytes that one flush instruction writes back. */
  cacheLine: number;
  /** Durable copies of at least this many bytes use non-temporal stores, which bypass the cache. */
  nontemporalThreshold: number;
  /** Environment variable with a value that this CPU does not support, or null. */
  refused: string | null;
}

/** Hot calls: arguments and outcome are in the mailbox, and nothing is allocated. */
export interface HotCalls {
  mailbox: ArrayBuffer;

  /** Starts the write-back of LENGTH bytes at OFFSET. */
  flush(): void;
  /**
   * Waits until everything that this thread flushed before is durable; where that takes msync, what other threads flushed, too.
   * `damaged` where the file does not contain what this thread flushed any more.
   */
  drain(): void;
  /** flush, then drain. */
  persist(): void;
  /** `damaged` where the file does not contain LENGTH bytes at OFFSET any more. Asks the kernel. */
  checkFile(): void;
  /** Flushes EXTRA ranges from RANGES on; does not drain. */
  flushRanges(): void;
  /** Copies all of source to OFFSET, up to the completion in EXTRA. */
  write(source: Uint8Array): void;
  /** As write, from LENGTH bytes of an ArrayBuffer at AT: the bytes are found in a third of the time. */
  writePart(source: ArrayBuffer): void;
  /** Fills target from OFFSET. */
  read(target: Uint8Array): void;
  /** As read, to LENGTH bytes of an ArrayBuffer at AT. */
  readPart(target: ArrayBuffer): void;
  /** Fills LENGTH bytes at OFFSET with the byte in RESULT, up to the completion in EXTRA. */
  fill(): void;
  /** From OFFSET to WORD, in one access. */
  load64(): void;
  /** From WORD to OFFSET, in one access. */
  store64(): void;
  /** Continues the CRC32C in EXTRA over LENGTH bytes at OFFSET; to RESULT. */
  crc32c(): void;

  /**
   * Fills target from the start of the block that the entry at ENTRY names. The first block is at OFFSET, the next STRIDE bytes
   * later. A range error where the entry names no block.
   */
  readBlock(target: Uint8Array): void;
  /** As readBlock, to LENGTH bytes of an ArrayBuffer at AT. */
  readBlockPart(target: ArrayBuffer): void;
  /**
   * 1. Copies all of source to the block in the low half of BLOCK, and makes it durable.
   * 2. Stores two words at RECORD, and makes them durable: INDEX and the block that the entry at ENTRY names; the halves of BLOCK.
   * 3. Stores the low half of BLOCK into the entry, and starts its write-back.
   *
   * RESULT is the block that the entry named. A range error, before step 1, where it names none. BEGUN must be 0.
   */
  exchangeBlock(source: Uint8Array): void;
  /** As exchangeBlock, from LENGTH bytes of an ArrayBuffer at AT. */
  exchangeBlockPart(source: ArrayBuffer): void;
}

/** Mappings and their handles. */
export interface MappingCalls {
  /** Throws the errno of mmap or madvise. */
  map(request: MapRequest): Mapped;
  /** Decides once, before the first store, what makes stores durable: one of `NativeGranularity`. */
  setGranularity(handle: number, granularity: number): void;
  /** msync of the whole mapping; throws its errno. */
  syncAll(handle: number): void;
  /** The number by which other threads of the process attach. */
  identify(handle: number): number;
  /** A handle of this thread on the same mapping; undefined where its last handle is closed. */
  attach(identity: number): Mapped | undefined;
  /** The range is unmapped when the last ArrayBuffer and job on it are gone, too. */
  close(handle: number): void;
  /** Where the mapping begins in this process's memory; 0 when it is closed. */
  addressOf(handle: number): number;
}

/** ArrayBuffers on mapped memory. */
export interface BufferCalls {
  /**
   * With a list from {@link collectedList}, the offset is added to it once nobody can know the addresses any more. In a worker,
   * memory that was transferred to another thread stays when the worker ends; telling it apart costs a little.
   */
  arrayBuffer(handle: number, offset: number, length: number, collected?: object, inWorker?: boolean): MappedBuffer;
  /** Empties the ArrayBuffer, which holds the mapping no longer. Does nothing if its memory was transferred. */
  detach(buffer: ArrayBuffer, view: object): void;
  /** The memory is about to move to an ArrayBuffer that can go to another thread, and outlive this one. */
  moves(view: object): void;
  /** An empty list for {@link arrayBuffer}. */
  collectedList(): object;
  /** The offsets added since the last call, or undefined. */
  takeCollected(list: object): number[] | undefined;
  /** The allocation was freed by hand: its offset is not to be added. */
  leaveCollected(view: object): void;
}

/** Pages and addresses. */
export interface PageCalls {
  /**
   * Faults in every page that has a byte of the range, for storing where asked to; no byte changes. Returns 0, an errno or one of
   * `Status`.
   */
  populate(handle: number, offset: number, length: number, writable: boolean): number;
  /** Takes the pages out of the mapping; their bytes stay, and the next touch is a fault. Returns 0 or an errno. */
  unpopulate(handle: number, offset: number, length: number): number;
  /** Bytes in the range of addresses that pages of 2 MiB or more map; -1 where the kernel does not tell (before 6.7). */
  hugePages(address: number, length: number): number;
  /** The errno of mapping something at the address: EEXIST when it is taken; 0: it was free a moment ago. */
  probeAddress(address: number, length: number): number;
}

/** Operations on a thread of the pool. Each holds the mapping and the array until it ends. The array must not be detached meanwhile. */
export interface AsyncCalls {
  writeAsync(handle: number, offset: number, source: Uint8Array, completion: number): Promise<Outcome>;
  readAsync(handle: number, offset: number, target: Uint8Array): Promise<Outcome>;
  fillAsync(handle: number, offset: number, length: number, byte: number, completion: number): Promise<Outcome>;
  persistAsync(handle: number, offset: number, length: number): Promise<Outcome>;
  populateAsync(handle: number, offset: number, length: number, writable: boolean): Promise<Outcome>;
}

/**
 * Locks between processes, and claims between threads. Ranges are `[begin, end, begin, end, …]`, in bytes.
 *
 * A lock that is refused throws EAGAIN where another process holds the range, and EBUSY where a lock of this process excludes
 * it, both with `begin` and `end` of what is held. Exclusive locks on a block device claim the whole device (open(2), O_EXCL), once
 * for the process: EBUSY with the syscall `open` where the kernel or another process has claimed it.
 */
export interface LockCalls {
  /** Locks the range towards other processes; threads of this one share it. `leavesClaim`: do not claim a block device. */
  lock(fd: number, begin: number, end: number, exclusive: boolean, leavesClaim?: boolean): HeldLock;
  /** Locks the ranges towards everybody, this process included: all or none. */
  lockAlone(fd: number, ranges: readonly number[]): HeldLock;
  /** `[major, minor, major, minor, …]` of the block devices that this process has claimed. */
  claimedDevices(): number[];
  /** The lock has these ranges from now on; if it throws, those it had. EBADF for an empty one. */
  changeLock(lock: HeldLock, ranges: readonly number[]): void;
  /** One more user of the lock; undefined for an empty one. */
  retainLock(lock: HeldLock): HeldLock | undefined;
  /**
   * Count of the lock's users: such objects, and mappings. A mapping counts as long as it has handles or jobs; under a lock of
   * {@link lockAlone}, as long as its memory can be reached, wherever that was transferred.
   */
  lockUsers(lock: HeldLock): number;
  /** One user less; the last one releases the ranges. */
  unlock(lock: HeldLock): void;
  /**
   * Claims bytes of the file towards everybody in this process, other threads and other handles included. The claim is held until
   * it is collected, given to {@link unclaim}, the handle is closed or the thread ends. Returns a boolean where another claim is in
   * the way: whether that one is exclusive.
   */
  claim(handle: number, offset: number, length: number, exclusive: boolean): object | boolean;
  unclaim(claim: object): void;
}

/** Files and devices. All system calls are repeated when signals interrupt them. */
export interface FileCalls {
  /** Allocates a file's blocks; its contents stay. The size stays, or grows to the end of the range. Throws ENOSPC or EOPNOTSUPP. */
  allocate(fd: number, offset: number, length: number, grows: boolean): void;
  /** Names a file that was opened without a name (O_TMPFILE). Throws EEXIST, and ENOENT without /proc. */
  link(fd: number, path: string): void;
  /** Renames to a path that does not exist. Throws EEXIST, and EINVAL where the file system has no such call. */
  renameNew(from: string, to: string): void;
  /** Writes bytes of the source to a descriptor opened with O_DIRECT; throws the errno of pwrite. */
  writeDirect(fd: number, offset: number, source: Uint8Array, begin: number, length: number): void;
  /** 0 when the kernel grants MAP_SYNC on the range, else the errno. */
  probeSync(fd: number, offset: number, length: number): number;
  /** The seals of a memfd (fcntl(2), F_GET_SEALS); 0 of any other file. */
  seals(fd: number): number;
  /**
   * The file behind an open loop device, as stat(2) has it: device number, inode number and, where it is a device node itself, that
   * device's number, else 0. Undefined where there is none.
   */
  loopFile(fd: number): BigUint64Array | undefined;
  /** The UUID of the btrfs that the open file is on, as /sys/fs/btrfs has it; undefined elsewhere. */
  btrfsId(fd: number): string | undefined;
  /** Whether files of the xfs that the open file is on can share blocks; undefined elsewhere. */
  xfsReflink(fd: number): boolean | undefined;
}

/** Ordinary memory of a NUMA node. */
export interface NodeCalls {
  /** Throws the errno of mmap, mbind or madvise. */
  mapNode(request: NodeMapRequest): Mapped;
  /** Moves the pages that are there to the node where it has room; later pages come from it. Throws the errno of mbind. */
  bindNode(handle: number, offset: number, length: number, node: number): void;
  /** Pairs of a node and how many pages of the range are on it; node -1: not touched yet. Throws the errno of move_pages. */
  pagesByNode(handle: number, offset: number, length: number, askKernel: boolean): number[];
}

/** This process and its CPU. */
export interface ProcessCalls {
  cpu(): CpuPaths;
  /** Bytes in a page of this kernel. */
  pageSize(): number;
  /** Page faults of this thread so far. */
  threadFaults(): number;
  /** Whether the process has rights that its parent lacks (AT_SECURE): its environment is then not to be trusted. */
  isPrivileged(): boolean;
  /** Writes the line to stderr at the first call in the process. Never waits: drops what cannot be written at once. */
  sayOnce(line: string): void;
}

/** The functions of the addon. */
export interface Native
  extends HotCalls,
    MappingCalls,
    BufferCalls,
    PageCalls,
    AsyncCalls,
    LockCalls,
    FileCalls,
    NodeCalls,
    ProcessCalls {}

const SUPPORTED = 'Linux on x86-64 or arm64';

function unsupported(): PmemError | undefined {
  const { platform, arch } = process;
  if (platform === 'linux' && (arch === 'x64' || arch === 'arm64')) return undefined;
  return new PmemError(
    'ERR_PMEM_UNSUPPORTED_PLATFORM',
    `pmem works on ${SUPPORTED}; this is ${platform} on ${arch}. Importing it is harmless; opening a region is not possible.`,
  );
}

type LoadBindings = (options: { bindings: string; module_root: string; try: string[][] }) => Native;

/** Prefers a local build over the binary that came with the package. */
function load(): Native {
  const refused = unsupported();
  if (refused !== undefined) throw refused;
  const require = createRequire(import.meta.url);
  const bindings = require('bindings') as LoadBindings;
  const { platform, arch } = process;
  const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
  let native: Native;
  try {
    native = bindings({
      bindings: 'pmem',
      module_root: root,
      try: [
        ['module_root', 'build', 'Debug', 'bindings'],
        ['module_root', 'build', 'Release', 'bindings'],
        ['module_root', 'prebuilds', `${platform}-${arch}`, 'bindings'],
      ],
    });
  } catch (error) {
    throw new PmemError(
      'ERR_PMEM_ADDON_NOT_LOADED',
      `the native addon of pmem could not be loaded for ${platform}-${arch}, Node.js ${process.version}. ` +
        `The package carries binaries for glibc on x86-64 and arm64; elsewhere build it: npx node-gyp rebuild ` +
        `in '${root}' (needs python3, make and a C++17 compiler). The loader said: ${String((error as Error).message)}`,
      { cause: error, inLines: true },
    );
  }
  const { refused: setting } = native.cpu();
  if (setting !== null) {
    throw new PmemError(
      'ERR_PMEM_CPU_PATH',
      `${setting}=${process.env[setting]} in the environment is not a value that this CPU supports. ` +
        `Unset it to use the best path that the CPU has.`,
    );
  }
  return native;
}

/** Where the addon cannot be loaded, importing succeeds and every call throws the reason. */
function loadOrExplain(): Native {
  try {
    return load();
  } catch (reason) {
    const fail = (): never => {
      throw reason;
    };
    const mailbox = new ArrayBuffer(8 * SLOTS);
    const there = { mailbox } as unknown as Native;
    return new Proxy(there, { get: (target, name) => Reflect.get(target, name) ?? fail });
  }
}

/** The addon. */
export const native: Native = loadOrExplain();

/** The mailbox, by slots of mailbox.ts. */
export const mailbox = new Float64Array(native.mailbox);
/** The mailbox's bytes as unsigned 64-bit integers, for `WORD`. */
export const words = new BigUint64Array(native.mailbox);
/** The mailbox's bytes as halves of slots, the low one first. */
export const halves = new Uint32Array(native.mailbox);
