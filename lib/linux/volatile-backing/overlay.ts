/** The media of an overlay: those of its upper directory, which has all that is written. */

import { dirname, join } from 'node:path';
import { statusAt } from '../look.js';
import type { Mount } from '../mounts.js';
import { type Media, unknownMedia, volatileMedia } from './media.js';
import type { Walk } from './walk.js';

/** Times of a directory, to the nanosecond, and more; the overlay shows those of the upper directory. */
function stamp(path: string): string | undefined {
  const status = statusAt(path);
  return status && [status.mtimeNs, status.ctimeNs, status.mode, status.uid, status.size].join(' ');
}

function optionValue(mount: Mount, name: string): string | undefined {
  return mount.options.find((option) => option.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** The directories above a path. */
function ancestors(path: string): string[] {
  return path === '/' ? ['/'] : [dirname(path), ...(dirname(path) === '/' ? [] : ancestors(dirname(path)))];
}

/**
 * The mount names the upper directory by the path that it had for the process that mounted the overlay. Here the path may lead
 * nowhere, or to another directory: the upper directory is the one whose times the overlay's root shows. A relative path is looked for
 * above the mount point.
 */
export function belowOverlay(walk: Walk, mount: Mount): Media {
  const { mountPoint, options } = mount;
  if (options.includes('volatile') || options.includes('fsync=volatile')) {
    return volatileMedia(`${mountPoint} is an overlay that was told not to sync (mount option volatile)`);
  }
  const upper = optionValue(mount, 'upperdir');
  if (upper === undefined) return unknownMedia(`${mountPoint} is an overlay without an upper directory`);
  // Before Linux 6.7 the mount table has the backslashes with which the option was given.
  const names = new Set([upper, upper.replace(/\\(.)/g, '$1')]);
  const bases = upper.startsWith('/') ? ['/'] : [...ancestors(mountPoint), process.cwd()];
  for (const path of bases.flatMap((base) => [...names].map((name) => join(base, name)))) {
    const inside = join(path, mount.root);
    // The directory may change between two looks.
    const isUpper = [1, 2, 3].some(() => stamp(inside) !== undefined && stamp(inside) === stamp(mountPoint));
    const status = isUpper ? statusAt(path) : undefined;
    if (status !== undefined) return walk.path(path, status.dev);
  }
  return unknownMedia(`${mountPoint} is an overlay whose upper directory, ${upper}, cannot be seen from here`);
}
