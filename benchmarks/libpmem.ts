/** The peer `libpmem`: Debian's library, called by a loop in C on the memory of a Region's Buffer. */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** Nanoseconds for `count` operations of `length` bytes, walking through the window. */
export type PeerLoop = (window: Buffer, source: Buffer, length: number, start: number, count: number) => number;

/** The loops of benchmarks/native/pmem_peer.cc. */
export interface Libpmem {
  persist: PeerLoop;
  persistScattered: PeerLoop;
  write: PeerLoop;
}

/** Builds the peer unless it is built. Undefined, with a note, if libpmem is not installed. */
export function loadLibpmem(root: string): Libpmem | undefined {
  const directory = join(root, 'benchmarks', 'native');
  const binary = join(directory, 'build', 'Release', 'pmem_peer.node');
  if (!existsSync('/usr/include/libpmem.h')) {
    process.stderr.write('libpmem is not installed (apt-get install libpmem-dev): measuring without that peer\n');
    return undefined;
  }
  if (!existsSync(binary)) {
    const gyp = join(root, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
    const built = spawnSync(process.execPath, [gyp, 'rebuild'], { cwd: directory, encoding: 'utf8' });
    if (built.status !== 0) throw new Error(`the libpmem peer could not be built:\n${built.stderr}`);
  }
  return createRequire(import.meta.url)(binary) as Libpmem;
}
