/** Regions of the kernel: what we make through sysfs daxctl sees, and the other way round, and the kernel chooses as we do. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Region } from 'pmem';
import { type DaxInstance, type DaxMapping, DaxRegion } from 'pmem/devdax';
import { childValue, startChild } from '../../support/child.js';
import { throwsCode } from '../../support/errors.js';
import { Random } from '../../support/random.js';
import { NOBODY } from '../../support/root.js';
import { hmem } from '../machines.js';
import { place } from '../places.js';

export const machines = [hmem];

const MIB = 2 ** 20;
const UNIT = 2 * MIB;
const { soft } = hmem;
assert(soft !== undefined);
const UNITS = soft.size / UNIT;

interface Listed {
  readonly id: number;
  readonly size: number;
  readonly available_size?: number;
  readonly align: number;
  readonly devices?: readonly { readonly chardev: string; readonly size: number; readonly mode?: string }[];
}

function daxctl(...args: string[]): string {
  return execFileSync('daxctl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** What daxctl knows of the one region. */
function listed(): Listed {
  const [only] = [JSON.parse(daxctl('list', '--regions', '--devices'))].flat() as Listed[];
  assert(only !== undefined);
  return only;
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name.localeCompare(b.name);
}

/** Our view of the region is daxctl's. */
function agree(region: DaxRegion): void {
  const { size, align, id, available_size = 0, devices = [] } = listed();
  assert.deepEqual(
    { id: region.id, size: region.size, align: region.align, available: region.availableSize },
    { id, size, align, available: available_size },
  );
  const theirs = devices.map(({ chardev: name, size: bytes, mode }) => ({ name, bytes, mode })).sort(byName);
  const ours = region.instances.map(({ name, size: bytes }) => ({ name, bytes, mode: 'devdax' })).sort(byName);
  assert.deepEqual(ours, theirs);
}

/** The pieces of a device by sysfs itself. */
function mappingsOf(name: string): DaxMapping[] {
  const found: DaxMapping[] = [];
  const device = `/sys/bus/dax/devices/${name}`;
  for (let i = 0; existsSync(join(device, `mapping${i}`)); i++) {
    const number = (attribute: string) => Number(readFileSync(join(device, `mapping${i}`, attribute), 'utf8'));
    const offset = number('start');
    found.push({ pageOffset: number('page_offset'), offset, length: number('end') + 1 - offset });
  }
  return found;
}

describe('DaxRegion of the kernel, dynamic,', () => {
  let region: DaxRegion;

  function clear(): void {
    for (const instance of region.instances) instance.destroy();
    assert.equal(region.availableSize, region.size);
  }

  before(() => {
    region = DaxRegion.find();
  });

  it('has at first one device of all its memory, as the kernel makes it', () => {
    assert.equal(region.real, true);
    assert.equal(region.size, soft.size);
    assert.equal(region.align, UNIT);
    assert.equal(region.resource, soft.start);
    assert.equal(region.targetNode, 0);
    assert.equal(region.numaNode, 0);
    assert.match(region.path, /\/hmem\.0$/);
    const [only, ...others] = region.instances;
    assert.deepEqual(others, []);
    assert.equal(only?.name, 'dax0.0');
    assert.deepEqual(only.mappings, [{ pageOffset: 0, offset: soft.start, length: soft.size }]);
    agree(region);
    throwsCode(() => region.create({ size: UNIT }), 'ENOSPC', { message: /nothing is free/ });
    throwsCode(() => region.create(), 'ENOSPC', { message: /nothing is free/ });
  });

  it('is found by its own nodes only', () => {
    assert.equal(DaxRegion.find({ targetNode: 0 }).id, region.id);
    assert.equal(DaxRegion.find({ numaNode: 0, id: 0 }).id, region.id);
    assert.deepEqual(DaxRegion.list({ targetNode: 1 }), []);
    throwsCode(() => DaxRegion.find({ targetNode: 1 }), 'ENODEV', {
      message: /it has 0 \(NUMA node 0, target node 0\)/,
    });
  });

  it('makes changes that daxctl sees', () => {
    clear();
    agree(region);
    const first = region.create({ size: 64 * MIB });
    // The first device stays, empty, when it is destroyed; the next one that is made takes its place.
    assert.equal(first.name, 'dax0.0');
    agree(region);
    const second = region.create({ size: 32 * MIB });
    assert.equal(second.name, 'dax0.1');
    agree(region);
    second.resize(128 * MIB);
    agree(region);
    first.destroy();
    assert.equal(first.destroyed, true);
    agree(region);
    second.resize(UNIT);
    agree(region);
    assert.equal(readFileSync('/sys/bus/dax/devices/dax0.1/size', 'utf8').trim(), String(UNIT));
    second.destroy();
    agree(region);
    assert(!existsSync('/sys/bus/dax/devices/dax0.1'));
  });

  it('sees changes of daxctl, and goes on with them', () => {
    clear();
    daxctl('create-device', '--region', '0', '--size', String(64 * MIB));
    agree(region);
    const [made] = region.instances;
    assert(made !== undefined);
    made.resize(96 * MIB);
    agree(region);
    const ours = region.create({ size: 32 * MIB });
    agree(region);
    daxctl('disable-device', ours.name);
    daxctl('reconfigure-device', '--size', String(64 * MIB), ours.name);
    assert.equal(ours.size, 64 * MIB);
    daxctl('enable-device', ours.name);
    daxctl('disable-device', made.name);
    try {
      daxctl('destroy-device', made.name);
    } catch (error) {
      // The first device stays; daxctl calls that a failure.
      assert.equal(made.name, 'dax0.0', String((error as { stderr?: string }).stderr));
    }
    assert.equal(made.destroyed || made.size === 0, true);
    throwsCode(() => made.open(), made.destroyed ? 'ERR_PMEM_CLOSED' : 'ENXIO');
    agree(region);
    ours.destroy();
    agree(region);
  });

  it('maps an instance of several pieces as one range that keeps its bytes', () => {
    clear();
    const all = [8, 8, 8, 8].map((units) => region.create({ size: units * UNIT })) as DaxInstance[];
    all[0]?.destroy();
    all[2]?.destroy();
    const instance = region.create({ size: 20 * UNIT });
    const expected = [
      { pageOffset: 0, offset: soft.start, length: 8 * UNIT },
      { pageOffset: 4096, offset: soft.start + 16 * UNIT, length: 8 * UNIT },
      { pageOffset: 8192, offset: soft.start + 32 * UNIT, length: 4 * UNIT },
    ];
    assert.deepEqual(instance.mappings, expected);
    assert.deepEqual(mappingsOf(instance.name), expected);
    {
      using device = instance.open();
      assert.equal(device.guarantee.given, true, device.guarantee.reason);
      assert.equal(device.emulated, false);
      using mapped = device.map();
      assert.equal(mapped.size, 20 * UNIT);
      for (let unit = 0; unit < 20; unit++) mapped.store64(unit * UNIT + 8 * unit, BigInt(unit + 1));
    }
    {
      using device = instance.open();
      using mapped = device.map({ offset: 7 * UNIT, length: 12 * UNIT });
      for (let unit = 7; unit < 19; unit++) {
        assert.equal(mapped.load64((unit - 7) * UNIT + 8 * unit), BigInt(unit + 1), `unit ${unit}`);
      }
    }
    instance.resize(10 * UNIT);
    assert.deepEqual(instance.mappings, [expected[0], { ...expected[1], length: 2 * UNIT }]);
    {
      using device = instance.open();
      using mapped = device.map();
      for (let unit = 0; unit < 10; unit++) assert.equal(mapped.load64(unit * UNIT + 8 * unit), BigInt(unit + 1));
    }
    agree(region);
  });

  it('creates contiguous instances, and instances of given ranges', () => {
    clear();
    const first = region.create({ size: 2 * UNIT });
    region.create({ size: UNIT });
    first.destroy();
    const piece = region.create({ size: 4 * UNIT, contiguous: true });
    assert.deepEqual(
      piece.mappings.map(({ offset, length }) => [(offset - soft.start) / UNIT, length / UNIT]),
      [[3, 4]],
    );
    const at = (unit: number, end: number) => ({ offset: soft.start + unit * UNIT, length: (end - unit) * UNIT });
    const exact = region.create({ ranges: [at(20, 22), at(10, 11)] });
    assert.deepEqual(
      exact.mappings.map(({ offset, length }) => ({ offset, length })),
      [at(20, 22), at(10, 11)],
    );
    agree(region);
    const before = region.instances.map(({ name, mappings }) => ({ name, mappings }));
    throwsCode(() => region.create({ ranges: [at(30, 31), at(21, 23)] }), 'ENOSPC', { message: /not all free/ });
    throwsCode(() => region.create({ ranges: [at(UNITS - 1, UNITS + 1)] }), 'ERR_OUT_OF_RANGE');
    throwsCode(() => region.create({ size: 240 * UNIT, contiguous: true }), 'ENOSPC', { message: /contiguous/ });
    assert.deepEqual(
      region.instances.map(({ name, mappings }) => ({ name, mappings })),
      before,
      'what failed left nothing',
    );
    agree(region);
  });

  it('chooses bytes as emulated regions do in 40 random operations (seed 6)', () => {
    clear();
    const file = join(place('tmpfs').path, 'twin');
    writeFileSync(file, '');
    truncateSync(file, soft.size);
    using twin = DaxRegion.open(file, { align: UNIT, emulate: true, id: 1 });
    const random = new Random(6);
    const layout = (of: DaxRegion, origin: number) =>
      of.instances.map(({ name, mappings }) => ({
        number: name.split('.')[1],
        pieces: mappings.map(({ pageOffset, offset, length }) => [pageOffset, offset - origin, length]),
      }));
    const same = (call: (on: DaxRegion) => unknown, what: string) => {
      const [theirs, ours] = [region, twin].map((on) => {
        try {
          call(on);
          return undefined;
        } catch (error) {
          return (error as { code?: string }).code ?? String(error);
        }
      });
      assert.equal(theirs, ours, what);
    };
    for (let i = 0; i < 40; i++) {
      const count = twin.instances.length;
      const choice = count === 0 ? 0 : random.below(10);
      const chosen = random.below(Math.max(count, 1));
      // Small ones: an emulated CPU takes a second for the page structures of 100 MiB. And some that are too large.
      const size = UNIT * (random.below(8) === 0 ? UNITS - random.below(3) : 1 + random.below(5));
      if (choice < 5) same((on) => on.create({ size }), `operation ${i}: create ${size / UNIT}`);
      else if (choice < 8) same((on) => on.instances[chosen]?.resize(size), `operation ${i}: resize ${size / UNIT}`);
      else same((on) => on.instances[chosen]?.destroy(), `operation ${i}: destroy`);
      assert.deepEqual(layout(twin, 0), layout(region, soft.start), `operation ${i}`);
      assert.equal(twin.availableSize, region.availableSize);
    }
    agree(region);
    rmSync(file);
  });

  it("refuses with the kernel's codes", () => {
    clear();
    const instance = region.create({ size: 8 * UNIT });
    throwsCode(() => region.create({ size: MIB }), 'EINVAL', { message: /nearest: 2097152$/ });
    throwsCode(() => instance.resize(3 * MIB), 'EINVAL');
    throwsCode(() => instance.resize(UNITS * UNIT + UNIT), 'ERR_OUT_OF_RANGE');
    // Nobody needs to serve it, which would take its time.
    const filler = region.create({ size: UNIT });
    daxctl('disable-device', filler.name);
    writeFileSync(`/sys/bus/dax/devices/${filler.name}/size`, String((UNITS - 10) * UNIT));
    throwsCode(() => region.create({ size: 3 * UNIT }), 'ENOSPC', { message: /4194304 \(4 MiB\) are free/ });
    throwsCode(() => instance.resize(11 * UNIT), 'ENOSPC');
    assert.equal(instance.size, 8 * UNIT);
    filler.destroy();
    agree(region);
  });

  it('neither resizes nor destroys a device in use, from which the kernel would take the memory', async () => {
    clear();
    const instance = region.create({ size: 8 * UNIT });
    const calls = [() => instance.resize(UNIT), () => instance.destroy()];
    const again = () => DaxRegion.find().instances.find(({ name }) => name === instance.name) as DaxInstance;
    {
      using device = instance.open();
      for (const call of calls) throwsCode(call, 'EBUSY');
      using mapped = device.map();
      // Another object for the same device knows it by the lock.
      throwsCode(() => again().resize(UNIT), 'EBUSY');
      mapped.store64(0, 1n);
    }
    const path = `/dev/${instance.name}`;
    {
      using plain = Region.open(path);
      for (const call of calls) throwsCode(call, 'EBUSY');
      plain.load64(0);
    }
    // A program that knows nothing of our locks.
    const other = startChild(
      async (target: string) => {
        const { openSync } = await import('node:fs');
        openSync(target, 'r+');
        process.stdout.write('open\n');
        process.stdin.resume();
      },
      [path],
    );
    assert.equal(await other.line(), 'open');
    for (const call of calls) throwsCode(call, 'EBUSY', { message: new RegExp(`process ${other.pid}.*SIGBUS`) });
    other.kill('SIGKILL');
    await other.ended;
    instance.resize(UNIT);
    assert.equal(instance.size, UNIT);
    agree(region);
  });

  it('changes nothing without the rights (EACCES)', async () => {
    clear();
    region.create({ size: 8 * UNIT });
    const said = await childValue(
      async (nobody: number) => {
        process.setgid?.(nobody);
        process.setuid?.(nobody);
        const { DaxRegion } = await import('pmem/devdax');
        const mine = DaxRegion.find();
        const codes: string[] = [];
        const [instance] = mine.instances;
        for (const call of [
          () => mine.create({ size: 2 ** 21 }),
          () => instance?.resize(2 ** 21),
          () => instance?.destroy(),
        ]) {
          try {
            call();
            codes.push('done');
          } catch (error) {
            codes.push((error as Error).message);
          }
        }
        return codes;
      },
      [NOBODY],
    );
    for (const one of said) assert.match(one, /^EACCES: /);
    agree(region);
    assert.equal(region.instances[0]?.size, 8 * UNIT);
  });

  it('can be divided further by a region on one of its devices', () => {
    clear();
    const outer = region.create({ size: 8 * UNIT });
    using inner = DaxRegion.open(`/dev/${outer.name}`);
    assert.equal(inner.align, UNIT);
    assert.equal(inner.targetNode, 0);
    assert.equal(inner.resource, soft.start);
    const [a, b] = [inner.create({ size: UNIT }), inner.create({ size: UNIT })];
    a.destroy();
    const both = inner.create({ size: 3 * UNIT });
    assert.equal(both.mappings.length, 2);
    using device = both.open();
    using mapped = device.map();
    for (let unit = 0; unit < 3; unit++) mapped.store64(unit * UNIT, BigInt(unit + 1));
    throwsCode(() => outer.destroy(), 'EBUSY');
    using plain = Region.open(`/dev/${outer.name}`, { shared: true });
    assert.deepEqual(
      [0, 2, 3].map((unit) => plain.load64(unit * UNIT)),
      [1n, 2n, 3n],
    );
    assert.equal(b.destroyed, false);
  });
});
