/** `pmem list`, `info` and `explain` against ndctl and daxctl, which ask the kernel in their own way. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { explain, listDevices } from 'pmem';
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

describe('The command pmem list', () => {
  it('agrees with ndctl list', () => {
    assertSame(byUs(), byNdctl());
  });

  it('agrees with daxctl list', () => {
    type Dax = { chardev: string; size: number; align?: number; target_node: number; mode: string };
    const theirs = json<Dax[]>('daxctl', 'list', '-D');
    const ours = listDevices().filter(({ charDevice }) => charDevice !== undefined);
    assert.deepEqual(
      ours
        .map(({ charDevice, size, targetNode, mode }) => ({ chardev: charDevice, size, target_node: targetNode, mode }))
        .sort(byName),
      theirs.map(({ chardev, size, target_node, mode }) => ({ chardev, size, target_node, mode })).sort(byName),
    );
  });

  it('agrees with ndctl on a namespace that is disabled, and then enabled again', () => {
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

  it('prints where devices are mounted, as the kernel does', () => {
    const mounts = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' '));
    for (const { blockDevice, mountPoints } of listDevices()) {
      const expected = mounts.filter(([device]) => device === `/dev/${blockDevice}`).map(([, directory]) => directory);
      assert.deepEqual(mountPoints, expected);
    }
  });

  it('prints the physical addresses that the kernel has under these names', () => {
    const iomem = readFileSync('/proc/iomem', 'utf8');
    const listed = listDevices().filter(({ mode }) => mode !== 'sector');
    assert(listed.length >= 6);
    for (const { name, charDevice, resource = 0, size = 0 } of listed) {
      const [, first, last] = new RegExp(`^ *([0-9a-f]+)-([0-9a-f]+) : ${charDevice ?? name}$`, 'm').exec(iomem) ?? [];
      const begin = parseInt(first ?? '', 16);
      const end = parseInt(last ?? '', 16) + 1;
      // Before the data of a namespace lie the kernel's own records; a character device is all data.
      const told = `${name}: ${size} bytes at ${resource}, and ${begin} to ${end} by the kernel`;
      assert(charDevice === undefined ? resource >= begin : resource === begin, told);
      assert.equal(resource + size, end, told);
    }
  });
});

function byName(a: { chardev?: string | undefined }, b: { chardev?: string | undefined }): number {
  return String(a.chardev).localeCompare(String(b.chardev));
}

describe('The commands pmem info and pmem explain', () => {
  it('print what explain() returns', () => {
    const { path } = place('ext4');
    const { cpu, ...info } = pmem<{ cpu: unknown }>('info', path);
    const found = explain(path);
    assert(cpu !== undefined);
    // What is not known is null to scripts.
    assert.deepEqual(info, JSON.parse(JSON.stringify(found, (_, value) => value ?? null)));
    const { kind, durability, obstacles } = found;
    assert.deepEqual(pmem('explain', path), { path, kind, durability, obstacles });
  });

  it('answer in words what a person would ask', () => {
    const text = output(process.execPath, join(ROOT, 'dist', 'cli', 'main.js'), 'explain', place('dax-2m').path);
    assert.match(text, /granularity 'cache-line'/);
    assert.match(text, /Pages of 2 MiB/);
    assert.match(text, /There is no obstacle/);
  });
});

describe('explain()', () => {
  it("agrees with ndctl on a device's size, alignment, node and persistence domain", () => {
    for (const their of byNdctl()) {
      const node = their['blockdev'] ?? their['chardev'];
      const found = explain(`/dev/${node}`);
      assert.equal(found.size, their['size'], String(node));
      if (their['mode'] === 'devdax') assert.equal(found.alignment, their['align']);
      if (their['numa_node'] !== undefined) assert.equal(found.numaNode, their['numa_node']);
      assert.equal(found.persistenceDomain ?? 'unknown', their['persistence_domain']);
    }
  });

  it('agrees with ndctl on a mounted file system, and says of a directory what it says of a file in it', () => {
    const all = byNdctl();
    for (const name of ['ext4', 'xfs', 'legacy']) {
      const { path, namespace } = place(name);
      const found = explain(path);
      const their = all.find(({ dev }) => dev === namespace);
      assert.equal(found.persistenceDomain ?? 'unknown', their?.['persistence_domain']);
      if (their?.['numa_node'] !== undefined) assert.equal(found.numaNode, their['numa_node']);
      const file = join(path, 'explained');
      writeFileSync(file, Buffer.alloc(4096));
      const { reason, ...durability } = explain(file).durability;
      const { reason: imagined, ...same } = found.durability;
      assert.deepEqual(same, durability);
      assert.match(imagined, /^of a file in it: /);
      assert.match(reason, /MAP_SYNC/);
    }
  });
});
