/**
 * The addon's typed face: the one place that loads it, and the contract of each of its functions. Everything here is
 * internal; policy is in the floors above.
 */

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { PmemError } from './errors.js';

/** Places of the mailbox, a Float64Array through which hot calls pass numbers: native/context.h has the same. */
export const HANDLE = 0;
export const OFFSET = 1;
export const LENGTH = 2;
/** Completion of a store, count of ranges, or the CRC so far. */
export const EXTRA = 3;
/** 0, a positive errno, or one of {@link Status}. */
export const STATUS = 4;
export const FAULT_SIGNAL = 5;
/** Where it happened, in bytes from the mapping's start. */
export const FAULT_OFFSET = 6;
/** The CRC; the byte to fill with; after a fault its si_code, after damage its {@link Damage}. */
export const RESULT = 7;
/** Place of the 64-bit word in {@link words}. */
export const WORD = 8;
/** First of the pairs of offset and length. */
export const RANGES = 9;
export const MOST_RANGES = 256;
/** In place of ranges, where an entry of a table is. */
export const ENTRY = 9;
/** What the entry is more than the number of its block, and how many blocks there are: {@link halves}. */
export const TAG = 10;
/** Bytes from block to block. */
export const STRIDE = 11;
/** Where the record of an exchange goes: 16 bytes. */
export const RECORD = 12;
/** Which entry it is, for the record: the low half. */
export const INDEX = 13;
/** The block to exchange for, and a number for the record: {@link halves}. */
export const BLOCK = 14;
/** Becomes 1 when a word of the record may have been stored. */
export const BEGUN = 15;
/** Where in an ArrayBuffer the bytes begin that are copied from or to. */
export const AT = 16;

/** How an operation ended, beside 0 and positive errnos: native/durable.h. */
export const Status = { closed: -1, range: -2, fault: -3, damaged: -4, readOnly: -5, volatile: -6 } as const;

/** Why a mapping can no longer be trusted: native/mapping.h. */
export const Damage = {
  lostPage: 1,
  readOnlyViolated: 2,
  syncFailed: 3,
  corruptPage: 4,
  truncated: 5,
  unknownSize: 6,
} as const;

/** What a store needs to survive a power cut: native/mapping.h. */
export const NativeGranularity = { byte: 0, 'cache-line': 1, page: 2, never: 3 } as const;

/** How far a store is taken before the call returns: native/durable.h. */
export const Completion = { store: 0, flush: 1, persist: 2 } as const;

declare const HELD: unique symbol;

/**
 * One user of a lock on ranges of a file: until it is given to {@link Native.map} or {@link Native.unlock}, is collected, or its
 * thread ends, wherever that one is stopped. Empty from then on; whatever is done with an empty one is harmless.
 */
export interface HeldLock {
  readonly [HELD]: never;
}

/** What {@link Native.map} is asked for. C++ does not check whether the numbers make sense. A flag that is absent is false. */
export interface MapRequest {
  fd: number;
  /**
   * Bytes of the file, mapped back to back in one range of addresses; all lengths but the last are multiples of `pageSize`. EINVAL
   * where they do not fit together.
   */
  extents: readonly { readonly offset: number; readonly length: number }[];
  /** Sum of the extents' lengths. */
  length: number;
  /** Unit in which the kernel maps this backing, in bytes. */
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
  /** Keep it out of core dumps. */
  dontDump?: boolean;
  /** Set no huge pages aside: those of a shared mapping stay so until the file is truncated. For mappings that are only looked at. */
  noReserve?: boolean;
  /** A lock that moves into the mapping if the call succeeds. The given one is empty then. */
  lock?: HeldLock | undefined;
}

/** What {@link Native.mapNode} is asked for. All numbers are integers. */
export interface NodeMapRequest {
  length: number;
  /** Bytes of a page. */
  pageSize: number;
  /** Of the virtual address; a power of two. */
  alignment: number;
  /** `pageSize` is that of huge pages, which were set aside (hugetlb). */
  hugePages: boolean;
  /** -1: leave it to the kernel. */
  node: number;
  /** Every page gets memory now: of the node while it has some, else of others. */
  populate: boolean;
  /** That is left to populateAsync and bindNode, piece by piece. */
  later: boolean;
  /** Keep it out of core dumps. */
  dontDump: boolean;
}

/** An open handle of this thread on a mapping. */
export interface Mapped {
  handle: number;
  /** Closes the handle when it is collected. */
  keeper: object;
  /** MAP_SYNC was granted. */
  synchronous: boolean;
  /** Bytes. */
  size: number;
}

/** An ArrayBuffer on mapped memory. */
export interface MappedBuffer {
  buffer: ArrayBuffer;
  /** What detaching needs to know of it. */
  view: object;
}

/** How an asynchronous operation ended; the fields are those of the mailbox. */
export interface Outcome {
  status: number;
  signal?: number;
  code?: number;
  offset?: number;
}

/** What the addon found in the CPU, and chose. */
export interface CpuPaths {
  /** Instruction that writes a cache line back. */
  flush: 'clwb' | 'clflushopt' | 'clflush' | 'dc cvap' | 'dc cvac';
  /** Registers that bulk stores use. */
  copy: 'avx512' | 'avx' | 'sse2' | 'generic';
  crc32c: 'instruction' | 'table';
  /** Bytes. */
  cacheLine: number;
  /** Durable copies of at least this many bytes bypass the cache. */
  streamingThreshold: number;
  /** A setting in the environment that this CPU cannot honour. */
  refused: string | null;
}

/** The functions of the addon. Hot ones take their arguments from, and leave their outcome in, the mailbox. */
export interface Native {
  mailbox: ArrayBuffer;

  flush(): void;
  drain(): void;
  persist(): void;
  /** Flushes EXTRA ranges from RANGES on; does not drain. */
  flushRanges(): void;
  /** Copies all of source in, to OFFSET, up to the completion in EXTRA. */
  write(source: Uint8Array): void;
  /** As write, of LENGTH bytes of an ArrayBuffer from AT on: takes less time to find. */
  writePart(source: ArrayBuffer): void;
  /** Copies out from OFFSET, filling target. */
  read(target: Uint8Array): void;
  /** As read, filling LENGTH bytes of an ArrayBuffer from AT on. */
  readPart(target: ArrayBuffer): void;
  /** Fills with the byte in RESULT up to the completion in EXTRA. */
  fill(): void;
  /** From OFFSET to WORD. */
  load64(): void;
  /** From WORD to OFFSET. */
  store64(): void;
  /**
   * Fills target with the beginning of the block that the entry at ENTRY names. Blocks begin at OFFSET, and are a STRIDE apart. An
   * entry that names none is a range error.
   */
  readBlock(target: Uint8Array): void;
  /** As readBlock, filling LENGTH bytes of an ArrayBuffer from AT on. */
  readBlockPart(target: ArrayBuffer): void;
  /**
   * 1. Copies all of source to the block in the low half of BLOCK, and makes it durable.
   * 2. Stores two words to RECORD, and makes them durable: INDEX and the block that the entry at ENTRY names; the halves of BLOCK.
   * 3. Lets the entry name the low half of BLOCK, and starts its write-back.
   *
   * RESULT is the block that the entry named; one that names none is a range error, before 1. BEGUN must be 0.
   */
  exchangeBlock(source: Uint8Array): void;
  /** As exchangeBlock, of LENGTH bytes of an ArrayBuffer from AT on. */
  exchangeBlockPart(source: ArrayBuffer): void;
  /** Continues the CRC in EXTRA over the range; to RESULT. */
  crc32c(): void;

  /** Throws the errno of mmap or madvise. */
  map(request: MapRequest): Mapped;
  setGranularity(handle: number, granularity: number): void;
  /** msync of the whole mapping; throws its errno. */
  syncAll(handle: number): void;
  /** The number by which other threads attach. */
  identify(handle: number): number;
  attach(identity: number): Mapped | undefined;
  close(handle: number): void;
  /**
   * With `pieces`, {@link takePieces} tells the offset once nobody can know the addresses any more. In a worker what another
   * thread got of the memory must be told apart when the worker ends, which costs a little.
   */
  arrayBuffer(handle: number, offset: number, length: number, pieces?: object, inWorker?: boolean): MappedBuffer;
  /** Empties the ArrayBuffer, which holds the mapping no longer; nothing if its memory was transferred elsewhere. */
  detach(buffer: ArrayBuffer, view: object): void;
  /** The memory is about to move to an ArrayBuffer that can go to another thread, and outlive this one. */
  moves(view: object): void;
  /**
   * Claims bytes of the file towards everybody in this process, other threads and other handles too: the claim, which is held
   * until it is collected, given to unclaim, the handle is closed or the thread ends. Or what is in the way, as a boolean:
   * whether that is exclusive.
   */
  claim(handle: number, offset: number, length: number, exclusive: boolean): object | boolean;
  unclaim(claim: object): void;
  /** A place where {@link arrayBuffer} notes what garbage collection gave back. */
  pieces(): object;
  /** The offsets noted since it was asked last. */
  takePieces(pieces: object): number[] | undefined;
  /** It was given back by hand, and is not to be noted. */
  keepPiece(view: object): void;
  /** Anonymous memory of a NUMA node; throws the errno of mmap, mbind or madvise. */
  mapNode(request: NodeMapRequest): Mapped;
  /** Pages that are there are moved to the node, or stay where they are; those to come are of the node. Throws the errno of mbind. */
  bindNode(handle: number, offset: number, length: number, node: number): void;
  /** Pairs of a node and how many pages of the range are on it; node -1: not touched yet. Throws the errno of move_pages. */
  pagesByNode(handle: number, offset: number, length: number, askKernel: boolean): number[];
  /**
   * Locks the range towards other processes; threads of this one share it. Throws EAGAIN when another process holds it, EBUSY
   * when somebody in this process is to be alone with it, both with `begin` and `end` of what is held there.
   *
   * An exclusive lock on a block device claims all of the device (open(2), O_EXCL), once for this process, until its last such
   * lock is gone: EBUSY with the syscall `open` when the kernel or another process has it claimed. `leavesClaim`: without.
   */
  lock(fd: number, begin: number, end: number, exclusive: boolean, leavesClaim?: boolean): HeldLock;
  /**
   * Locks `[begin, end, begin, end, …]` towards everybody, this process included; all or nothing. Claims, and throws, as
   * {@link lock}.
   */
  lockAlone(fd: number, ranges: readonly number[]): HeldLock;
  /** `[major, minor, major, minor, …]` of the block devices that this process has claimed by its locks. */
  claimedDevices(): number[];
  /** Other ranges for the same lock from now on; when it throws, as {@link lock}, it is as it was. EBADF for an empty one. */
  changeLock(lock: HeldLock, ranges: readonly number[]): void;
  /** One more user of it; undefined for an empty one. */
  retainLock(lock: HeldLock): HeldLock | undefined;
  /**
   * Users of the lock: such objects, and mappings. A mapping counts as long as it has handles or jobs under way; under a lock that
   * is to be alone, as long as its memory can be reached, wherever that was transferred.
   */
  lockUsers(lock: HeldLock): number;
  /** One user less; the last one gives the ranges back. */
  unlock(lock: HeldLock): void;
  /**
   * Reserves a file's blocks, leaving its size, or making it grow up to their end; throws ENOSPC or EOPNOTSUPP. Ends however many
   * signals come.
   */
  allocate(fd: number, offset: number, length: number, grows: boolean): void;
  /** Gives a file that has no name (O_TMPFILE) this one; throws EEXIST, and ENOENT without /proc. */
  link(fd: number, path: string): void;
  /** Renames to what is not there; throws EEXIST, and EINVAL where the file system has no such call. */
  renameNew(from: string, to: string): void;
  /** Writes bytes of the source to a descriptor opened with O_DIRECT; throws the errno of pwrite. */
  writeDirect(fd: number, offset: number, source: Uint8Array, begin: number, length: number): void;
  /** 0 when the kernel grants MAP_SYNC on the range, else the errno. */
  probeSync(fd: number, offset: number, length: number): number;
  pageSize(): number;
  cpu(): CpuPaths;

  writeAsync(handle: number, offset: number, source: Uint8Array, completion: number): Promise<Outcome>;
  readAsync(handle: number, offset: number, target: Uint8Array): Promise<Outcome>;
  fillAsync(handle: number, offset: number, length: number, byte: number, completion: number): Promise<Outcome>;
  persistAsync(handle: number, offset: number, length: number): Promise<Outcome>;

  /** Where the mapping begins in this process's memory; 0 when it is closed. */
  addressOf(handle: number): number;
  /** Faults the pages in, for storing where asked to, and changes nothing in them. 0, an errno or one of {@link Status}. */
  populate(handle: number, offset: number, length: number, writable: boolean): number;
  populateAsync(handle: number, offset: number, length: number, writable: boolean): Promise<Outcome>;
  /** Takes the pages out of the mapping, not off the media: the next touch is a fault. 0 or an errno. */
  unpopulate(handle: number, offset: number, length: number): number;
  /** Bytes in the range of addresses that pages of 2 MiB or more hold; -1 where the kernel does not tell (before 6.7). */
  hugePages(address: number, length: number): number;
  /** The errno of mapping something at the address: EEXIST when it is taken; 0: it was free a moment ago. */
  probeAddress(address: number, length: number): number;
  /** Page faults of this thread so far. */
  threadFaults(): number;
  /** The seals of a memfd (fcntl(2), F_GET_SEALS); 0 of any other file. */
  seals(fd: number): number;

  /** Whether the process has rights that whoever started it lacks (AT_SECURE): its environment is then not to be trusted. */
  isPrivileged(): boolean;
  /** Writes the line to stderr, the first time in the process that it is called; never waits. */
  sayOnce(line: string): void;
  /**
   * The file of an open loop device, as stat(2) has it: its device number, its inode number and, where it is a device node
   * itself, the number of that device, else 0; undefined for anything else, and for one without a file.
   */
  loopFile(fd: number): BigUint64Array | undefined;
  /** The UUID of the btrfs that the open file is on, as /sys/fs/btrfs has it; undefined elsewhere. */
  btrfsId(fd: number): string | undefined;
  /** Whether files of the xfs that the open file is on can share blocks; undefined elsewhere. */
  xfsReflink(fd: number): boolean | undefined;
}

const SUPPORTED = 'Linux on x86-64 or arm64';

function unsupported(): PmemError | undefined {
  const { platform, arch } = process;
  if (platform === 'linux' && (arch === 'x64' || arch === 'arm64')) return undefined;
  return new PmemError(
    'ERR_PMEM_UNSUPPORTED_PLATFORM',
    `pmem works on ${SUPPORTED}; this is ${platform} on ${arch}. Importing it is harmless, opening a region is not possible.`,
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
      `${setting}=${process.env[setting]} in the environment asks for what this CPU does not have, or is no such thing. ` +
        `Unset it to use the best path there is.`,
    );
  }
  return native;
}

/** Where the addon cannot be loaded, importing works and every call throws the reason. */
function loadOrExplain(): Native {
  try {
    return load();
  } catch (reason) {
    const fail = (): never => {
      throw reason;
    };
    const mailbox = new ArrayBuffer(8 * (RANGES + 2 * MOST_RANGES));
    const there = { mailbox } as unknown as Native;
    return new Proxy(there, { get: (target, name) => Reflect.get(target, name) ?? fail });
  }
}

/** The addon. */
export const native: Native = loadOrExplain();
export const mailbox = new Float64Array(native.mailbox);
/** The mailbox's bytes as unsigned 64-bit integers, for {@link WORD}. */
export const words = new BigUint64Array(native.mailbox);
/** The mailbox's bytes as halves of slots, the low one first. */
export const halves = new Uint32Array(native.mailbox);
