/** What the tests use of the npm package ext2fs (libext2fs, compiled to WebAssembly). */
declare module 'ext2fs' {
  /** What it reads and writes; offsets and lengths are bytes. */
  export interface Disk {
    read(
      buffer: Buffer,
      bufferOffset: number,
      length: number,
      fileOffset: number,
    ): Promise<{ bytesRead: number; buffer: Buffer }>;
    write(
      buffer: Buffer,
      bufferOffset: number,
      length: number,
      fileOffset: number,
    ): Promise<{ bytesWritten: number; buffer: Buffer }>;
    discard(offset: number, length: number): Promise<void>;
    flush(): Promise<void>;
  }

  export interface MountedFs {
    readonly promises: Pick<
      typeof import('node:fs').promises,
      'mkdir' | 'writeFile' | 'readFile' | 'readdir' | 'unlink' | 'rename' | 'symlink' | 'rmdir'
    >;
    trim(): Promise<void>;
  }

  export function withMountedDisk<T>(disk: Disk, offset: number, run: (fs: MountedFs) => Promise<T>): Promise<T>;
}
