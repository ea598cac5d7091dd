/**
 * Memory limits of this process's control groups, which containers and services have: Documentation/admin-guide/cgroup-v2.rst and
 * cgroup-v1/memory.rst. At a limit allocations do not fail: the kernel kills a process.
 */

import { join, posix } from 'node:path';
import type { Host } from './host.js';
import { type Mount, mountTable } from './mounts.js';
import { attribute, numericAttribute } from './sysfs/read.js';

/** A group's limit, and what is left of it. */
export interface GroupRoom {
  /** Its directory. */
  readonly group: string;
  /** Bytes. */
  readonly limit: number;
  /** Bytes: the rest of the limit, and page cache that the kernel can drop at once. */
  readonly room: number;
}

interface Names {
  readonly limit: string;
  readonly usage: string;
  /** In memory.stat: page cache not used lately, which counts as usage; that of groups below included. */
  readonly cache: string;
}

const V1 = { limit: 'memory.limit_in_bytes', usage: 'memory.usage_in_bytes', cache: 'total_inactive_file' };
const V2 = { limit: 'memory.max', usage: 'memory.current', cache: 'inactive_file' };

/** The process's groups in the hierarchies that can limit memory. */
function groupsOf(text: string): { names: Names; path: string }[] {
  return text.split('\n').flatMap((line) => {
    const [, id, controllers, path] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined) return [];
    if (id === '0' && controllers === '') return [{ names: V2, path }];
    return controllers?.split(',').includes('memory') === true ? [{ names: V1, path }] : [];
  });
}

function isMountOf({ type, options }: Mount, names: Names): boolean {
  return names === V2 ? type === 'cgroup2' : type === 'cgroup' && options.includes('memory');
}

/** Directories of the group and the groups above it, up to the mounted one; a container may see its own group only. */
function directories({ root, mountPoint }: Mount, path: string): string[] {
  let below = posix.relative(root, path);
  if (below.startsWith('..')) below = '';
  const found: string[] = [];
  for (; below !== '' && below !== '.'; below = posix.dirname(below)) found.push(join(mountPoint, below));
  return [...found, mountPoint];
}

function roomIn(group: string, names: Names): GroupRoom | undefined {
  const limit = numericAttribute(group, names.limit); // no number: 'max'
  const usage = numericAttribute(group, names.usage);
  if (limit === undefined || usage === undefined) return undefined;
  const stat = attribute(group, 'memory.stat') ?? '';
  const cache = Number(new RegExp(`^${names.cache} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0);
  return { group, limit, room: Math.max(0, limit - usage + Math.min(cache, usage)) };
}

/** The group with the least room; undefined where no group has a limit that can be read. */
export function groupRoom(host: Host): GroupRoom | undefined {
  const self = join(host.proc, 'self');
  const mounts = mountTable(host);
  return groupsOf(attribute(self, 'cgroup') ?? '')
    .flatMap(({ names, path }) =>
      mounts
        .filter((mount) => isMountOf(mount, names))
        .flatMap((mount) => directories(mount, path).map((directory) => roomIn(directory, names))),
    )
    .filter((found) => found !== undefined)
    .reduce<GroupRoom | undefined>(
      (least, one) => (least === undefined || one.room < least.room ? one : least),
      undefined,
    );
}
