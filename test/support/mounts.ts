/** Small file systems that tests can fill. Needs root. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A mounted file system. */
export interface Mounted {
  readonly directory: string;
  unmount(): void;
}

function mounted(kind: 'tmpfs' | 'ext4', mib: number): Mounted {
  const home = mkdtempSync(join(tmpdir(), 'pmem-mount-'));
  const directory = join(home, 'mnt');
  mkdirSync(directory);
  try {
    if (kind === 'tmpfs') {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'pmem-test', directory], { stdio: 'pipe' });
    } else {
      const image = join(home, 'image');
      writeFileSync(image, Buffer.alloc(mib << 20));
      execFileSync('mkfs.ext4', ['-q', '-F', '-b', '4096', '-m', '0', image], { stdio: 'pipe' });
      execFileSync('mount', ['-o', 'loop', image, directory], { stdio: 'pipe' });
    }
  } catch (error) {
    rmSync(home, { recursive: true, force: true });
    throw error;
  }
  return {
    directory,
    unmount: () => {
      execFileSync('umount', ['-l', directory], { stdio: 'pipe' });
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Mounts for the suite. If that fails, prints the reason and skips the suite; in CI it throws. Call it in `describe`. */
export function onMount(kind: 'tmpfs' | 'ext4', mib: number): (name: string) => string {
  let there: Mounted | undefined;
  before(function () {
    try {
      there = mounted(kind, mib);
    } catch (error) {
      const reason = String((error as { stderr?: Buffer }).stderr ?? error).trim();
      if (process.env['CI'] === 'true') throw new Error(`cannot mount ${kind}: ${reason}`, { cause: error });
      console.log(`      skipped: cannot mount ${kind}: ${reason}`);
      this.skip();
    }
  });
  after(() => there?.unmount());
  return (name) => join(there?.directory ?? '', name);
}
