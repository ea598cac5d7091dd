/**
 * How much memory the limits on this process's control groups leave: Documentation/admin-guide/cgroup-v2.rst and
 * cgroup-v1/memory.rst. Containers and services have such limits, and beyond one the kernel does not fail but kills.
 */

import { join, posix } from 'node:path';
import type { Host } from '../linux/host.js';
import { type Mount, parseMounts } from '../linux/mounts.js';
import { attribute, numericAttribute } from '../linux/sysfs/read.js';

/** The group whose limit leaves least. */
export interface GroupRoom {
  /** Its directory. */
  readonly group: string;
  /** Bytes. */
  readonly limit: number;
  /** Bytes: what is left of the limit, and what the kernel could drop at once. */
  readonly room: number;
}

interface Names {
  readonly limit: string;
  readonly usage: string;
  /** In memory.stat: pages of files that were not used lately, which count as used; those below the group's too. */
  readonly cache: string;
}

const V1 = { limit: 'memory.limit_in_bytes', usage: 'memory.usage_in_bytes', cache: 'total_inactive_file' };
const V2 = { limit: 'memory.max', usage: 'memory.current', cache: 'inactive_file' };

/** What the process's groups are called, for the hierarchies that could limit memory. */
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

/** The group's directory and those above it, up to what is mounted; a container may see no more than its own. */
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

/** The least that any of the process's groups leaves; undefined where none has a limit, or it cannot be read. */
export function groupRoom(host: Host): GroupRoom | undefined {
  const self = join(host.proc, 'self');
  const mounts = parseMounts(attribute(self, 'mountinfo') ?? '');
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
