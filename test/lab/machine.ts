/** Machines to test on. A test file declares them; the set-up of QEMU and of the guest follows. Sizes are in bytes. */

/** The use of a part of an NVDIMM. A test finds it by its name: `place('ext4')`. */
export type Namespace = { readonly name: string; readonly size: number } & (
  | { readonly mode: 'fsdax'; readonly fileSystem: 'ext4' | 'xfs' | 'none' }
  | { readonly mode: 'devdax'; readonly align: number }
  | { readonly mode: 'sector'; readonly sectorSize: number }
  | { readonly mode: 'raw' }
);

/** An emulated NVDIMM with a label area, which can have several namespaces. */
export interface Nvdimm {
  /** A multiple of 16 MiB. */
  readonly size: number;
  readonly namespaces: readonly Namespace[];
  /** Its NUMA node, in a machine with several: the ordinary memory and the CPUs are node 0. */
  readonly node?: number;
}

/** A range of physical memory that the kernel does not use itself. */
export interface MemoryRange {
  readonly start: number;
  readonly size: number;
}

/** A guest. Everything but the NVDIMMs is optional. */
export interface Machine {
  readonly name: string;
  readonly nvdimms: readonly Nvdimm[];
  /** A QEMU CPU model; by default one with everything that QEMU can emulate. */
  readonly cpu?: string;
  /** CPUs, default 1. */
  readonly cpus?: number;
  /** More words for the kernel's command line. */
  readonly kernelArguments?: string;
  /** Bytes of ordinary memory, default 2 GiB. */
  readonly memory?: number;
  /** What the platform saves at a power cut: `mem-ctrl` (ADR, the default) or `cpu` (eADR). */
  readonly persistence?: 'mem-ctrl' | 'cpu';
  /** `memmap=size$start`: reserved, reachable through /dev/mem. */
  readonly reserved?: MemoryRange;
  /** `memmap=size!start`: a legacy pmem device. */
  readonly legacy?: MemoryRange;
  /** `memmap=size%start-1+0xefffffff`: firmware set it apart (EFI_MEMORY_SP), and dax_hmem makes a DAX region of it. */
  readonly soft?: MemoryRange;
  /** The size of a virtio-pmem device: memory of the host, which a flush request makes durable. */
  readonly virtioPmem?: number;
  /** The size of an ivshmem device's memory, behind BAR 2. */
  readonly bar?: number;
  /** Sizes of virtio disks: one with a plain ext4, one that stays empty. */
  readonly disks?: { readonly ext4: number; readonly empty: number };
}
