/** `pmem list`, `info` and `explain` against ndctl and daxctl, which ask the kernel in their own way. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../support/paths.js';
import { everything } from '../machines.js';
import { place } from '../places.js';

export const machines = [everything];

function output(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8' });
}

function json<T>(command: string, ...args: string[]): T {
  return JSON.parse(output(command, ...args)) as T;
}

function pmem<T>(...args: string[]): T {
  return json<T>(process.execPath, join(ROOT, 'dist', 'cli', 'main.js'), ...args, '--json');
}

/** What `ndctl list` prints, as far as we print it too. */
interface NdctlNamespace {
  readonly dev: string;
  readonly mode: string;
  readonly size: number;
  readonly sector_size?: number;
  readonly align?: number;
  readonly blockdev?: string;
  readonly chardev?: string;
  readonly daxregion?: { readonly devices: readonly { readonly chardev: string }[] };
  readonly numa_node?: number;
  readonly target_node?: number;
  readonly state?: string;
}

interface NdctlBus {
  readonly provider: string;
  readonly regions?: readonly {
    readonly dev: string;
    readonly persistence_domain?: string;
    readonly namespaces?: readonly NdctlNamespace[];
  }[];
}

interface Listed extends NdctlNamespace {
  readonly path?: string;
  readonly region?: string;
  readonly provider?: string;
  readonly persistence_domain?: string;
  readonly resource?: number;
  readonly mountpoints: readonly string[];
}

/** By name; what both know. */
function byNdctl(): Record<string, unknown>[] {
  const buses = json<NdctlBus[]>('ndctl', 'list', '-B', '-R', '-N', '--idle', '-v');
  return buses.flatMap(({ provider, regions = [] }) =>
    regions.flatMap(({ dev: region, persistence_domain, namespaces = [] }) =>
      namespaces
        .filter(({ size }) => size > 0)
        .map((one) => ({ ...known(one), provider, region, persistence_domain: persistence_domain ?? 'unknown' })),
    ),
  );
}

function known({ dev, mode, size, sector_size, align, blockdev, ...rest }: NdctlNamespace) {
  const { numa_node, target_node, state, chardev = rest.daxregion?.devices[0]?.chardev } = rest;
  return { dev, mode, size, sector_size, align, blockdev, chardev, numa_node, target_node, state };
}

function byUs(): Record<string, unknown>[] {
  return pmem<Listed[]>('list').map((one) => {
    const { provider, region, persistence_domain = 'unknown' } = one;
    return { ...known(one), provider, region, persistence_domain };
  });
}

/** What ndctl leaves out, or adds, is not compared: only what both say. */
function assertSame(ours: Record<string, unknown>[], theirs: Record<string, unknown>[]): void {
  const name = (one: Record<string, unknown>) => String(one['dev']);
  assert.deepEqual(ours.map(name).sort(), theirs.map(name).sort());
  for (const their of theirs) {
    const our = ours.find((one) => name(one) === name(their)) ?? {};
    const told = Object.fromEntries(Object.entries(their).filter(([, value]) => value !== undefined));
    const same = Object.fromEntries(Object.keys(told).map((key) => [key, our[key]]));
    assert.deepEqual(same, told);
  }
}

describe('pmem list', () => {
  it('agrees with ndctl list', () => {
    assertSame(byUs(), byNdctl());
  });

  it('agrees with daxctl list', () => {
    type Dax = { chardev: string; size: number; align?: number; target_node: number; mode: string };
    const theirs = json<Dax[]>('daxctl', 'list', '-D');
    const ours = pmem<Listed[]>('list').filter(({ chardev }) => chardev !== undefined);
    assert.deepEqual(
      ours.map(({ chardev, size, target_node, mode }) => ({ chardev, size, target_node, mode })).sort(byName),
      theirs.map(({ chardev, size, target_node, mode }) => ({ chardev, size, target_node, mode })).sort(byName),
    );
  });

  it('agrees on a namespace that is disabled, and on it being enabled again', () => {
    const { namespace } = place('raw');
    assert(namespace !== undefined);
    output('ndctl', 'disable-namespace', namespace);
    try {
      const ours = byUs();
      assertSame(ours, byNdctl());
      assert.equal(ours.find(({ dev }) => dev === namespace)?.['state'], 'disabled');
    } finally {
      output('ndctl', 'enable-namespace', namespace);
    }
    assertSame(byUs(), byNdctl());
  });

  it('says where devices are mounted, as the kernel does', () => {
    const mounts = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' '));
    for (const { blockdev, mountpoints } of pmem<Listed[]>('list')) {
      const expected = mounts.filter(([device]) => device === `/dev/${blockdev}`).map(([, directory]) => directory);
      assert.deepEqual(mountpoints, expected);
    }
  });

  it('says physical addresses that the kernel has under these names', () => {
    const iomem = readFileSync('/proc/iomem', 'utf8');
    const listed = pmem<Listed[]>('list').filter(({ mode }) => mode !== 'sector');
    assert(listed.length >= 6);
    for (const { dev, chardev, resource = 0, size } of listed) {
      const [, first, last] = new RegExp(`^ *([0-9a-f]+)-([0-9a-f]+) : ${chardev ?? dev}$`, 'm').exec(iomem) ?? [];
      const begin = parseInt(first ?? '', 16);
      const end = parseInt(last ?? '', 16) + 1;
      // Before the data of a namespace lie the kernel's own records; a character device is all data.
      const told = `${dev}: ${size} bytes at ${resource}, and ${begin} to ${end} by the kernel`;
      assert(chardev === undefined ? resource >= begin && resource + size <= end : resource === begin, told);
      assert.equal(resource + size, end, told);
    }
  });
});

function byName(a: { chardev?: string | undefined }, b: { chardev?: string | undefined }): number {
  return String(a.chardev).localeCompare(String(b.chardev));
}

describe('pmem info and pmem explain', () => {
  interface Info {
    readonly size: number;
    readonly alignment: number;
    readonly persistenceDomain: string | null;
    readonly numaNode: number | null;
    readonly durability: { readonly granularity: string; readonly mapSync: boolean; readonly reason: string };
  }

  it('of a device node agree with ndctl on its size, alignment, node and persistence domain', () => {
    for (const their of byNdctl()) {
      const node = their['blockdev'] ?? their['chardev'];
      const info = pmem<Info>('info', `/dev/${node}`);
      assert.equal(info.size, their['size'], String(node));
      if (their['mode'] === 'devdax') assert.equal(info.alignment, their['align']);
      if (their['numa_node'] !== undefined) assert.equal(info.numaNode, their['numa_node']);
      assert.equal(info.persistenceDomain ?? 'unknown', their['persistence_domain']);
    }
  });

  it('of a mounted file system agree on the same', () => {
    for (const name of ['ext4', 'xfs', 'legacy']) {
      const { path, namespace } = place(name);
      const info = pmem<Info>('info', path);
      const their = byNdctl().find(({ dev }) => dev === namespace);
      assert.equal(info.persistenceDomain ?? 'unknown', their?.['persistence_domain']);
      assert.deepEqual(pmem<Info>('explain', path).durability, info.durability);
    }
  });

  it('say in words what a person would ask', () => {
    const text = output(process.execPath, join(ROOT, 'dist', 'cli', 'main.js'), 'explain', place('dax-2m').path);
    assert.match(text, /granularity 'cache-line'/);
    assert.match(text, /Pages of 2 MiB/);
    assert.match(text, /Nothing stands in the way/);
  });
});
