/** The peer `libpmemblk`: Debian's library, the only other BTT outside of kernels, called by a loop in C. */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** Nanoseconds for `count` operations of `bytes.length` bytes each, walking through `window` blocks. */
export type BlockLoop = (pool: unknown, bytes: Buffer, window: number, start: number, count: number) => number;

/** The functions of benchmarks/native/pmemblk_peer.cc. */
export interface Libpmemblk {
  create(path: string, blockSize: number, size: number): unknown;
  read: BlockLoop;
  write: BlockLoop;
}

/** Builds the peer unless it is built. Undefined, with a note, if libpmemblk is not installed. */
export function loadLibpmemblk(root: string): Libpmemblk | undefined {
  const directory = join(root, 'benchmarks', 'native');
  const binary = join(directory, 'build', 'Release', 'pmemblk_peer.node');
  if (!existsSync('/usr/include/libpmemblk.h')) {
    process.stderr.write('libpmemblk is not installed (apt-get install libpmemblk-dev): measuring without that peer\n');
    return undefined;
  }
  // Makes libpmemblk flush instead of msync on tmpfs, as we do. It reads the variable at load.
  process.env['PMEM_IS_PMEM_FORCE'] = '1';
  if (!existsSync(binary)) {
    const gyp = join(root, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
    const built = spawnSync(process.execPath, [gyp, 'rebuild'], { cwd: directory, encoding: 'utf8' });
    if (built.status !== 0) throw new Error(`the libpmemblk peer could not be built:\n${built.stderr}`);
  }
  return createRequire(import.meta.url)(binary) as Libpmemblk;
}
