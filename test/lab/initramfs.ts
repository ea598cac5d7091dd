/** The guest's first root file system: loads the modules to reach the host's files, and switches to these. */

import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { moduleBytes, moduleFiles } from './kernel.js';
import type { Toolbox } from './toolbox.js';

/** The folders that QEMU exports by 9p: the host's root, the unpacked packages, and the files of this start. */
export type Folder = 'host' | 'tools' | 'start';

/** Where the guest finds the folder `start`. */
export const START = '/run/lab';
/** The script in that folder which becomes process 1. */
export const FIRST = 'first';

const MODULES = ['virtio_pci', '9pnet_virtio', '9p', 'overlay', 'virtio_console'];

/** Mount points of the script. */
const DIRECTORIES = ['dev', 'proc', 'sys', 'host', 'tools', 'top', 'root'];
/** The programs that the script calls. To link all that busybox has takes an emulated CPU a second. */
const PROGRAMS = ['mount', 'insmod', 'mkdir', 'switch_root'];

const INIT = `#!/bin/busybox sh
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
while read -r module; do insmod "/modules/$module"; done </modules/order
share() { mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro "$1" "$2"; }
share host /host && share tools /tools || exit 1
# All that the guest writes stays in its memory.
mount -t tmpfs -o mode=755 top /top
mkdir /top/upper /top/work
mount -t overlay -o lowerdir=/tools:/host,upperdir=/top/upper,workdir=/top/work root /root || exit 1
for name in dev proc sys; do mount --move "/$name" "/root/$name"; done
mkdir -p /root/dev/shm /root/dev/pts
mount -t tmpfs shm /root/dev/shm
mount -t devpts pts /root/dev/pts
mount -t tmpfs -o mode=755 run /root/run
mkdir /root${START}
share start /root${START} || exit 1
exec switch_root /root /bin/sh ${START}/${FIRST}
`;

/** Builds the archive (newc, uncompressed: an emulated CPU is slow at unpacking). */
export function buildInitramfs(tools: Toolbox, file: string): void {
  const tree = `${file}.tree`;
  rmSync(tree, { recursive: true, force: true });
  for (const name of ['modules', 'bin', ...DIRECTORIES]) mkdirSync(join(tree, name), { recursive: true });
  try {
    copyFileSync(tools.busybox, join(tree, 'bin', 'busybox'));
    for (const name of PROGRAMS) symlinkSync('busybox', join(tree, 'bin', name));
    const modules = moduleFiles(tools, MODULES);
    const names = modules.map((path) => basename(path).replace(/\.ko.*$/, '.ko'));
    for (const [i, path] of modules.entries())
      writeFileSync(join(tree, 'modules', names[i] as string), moduleBytes(tools, path));
    writeFileSync(join(tree, 'modules', 'order'), `${names.join('\n')}\n`);
    writeFileSync(join(tree, 'init'), INIT);
    chmodSync(join(tree, 'init'), 0o755);
    const entries = ['.', ...(readdirSync(tree, { recursive: true, encoding: 'utf8' }) as string[]).sort()];
    const list = Buffer.from(`${entries.join('\n')}\n`);
    writeFileSync(file, tools.run(tools.busybox, ['cpio', '-o', '-H', 'newc'], list, tree));
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}
