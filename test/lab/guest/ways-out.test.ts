/** Every way out that `pmem explain` prints is followed to the letter, and leads where it says. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Explanation, explain, listDevices, type Obstacle, Region } from 'pmem';
import { throwsCode } from '../../support/errors.js';
import { ROOT } from '../../support/paths.js';
import { run } from '../inside/setup.js';
import { convertible } from '../machines.js';
import { place } from '../places.js';

export const machines = [convertible];

const COMMAND = '/usr/local/bin/pmem';
/** Where the printed commands put a new file system. */
const NEW = '/mnt/pmem';

function command(...args: string[]): string {
  return execFileSync(COMMAND, args, { encoding: 'utf8' });
}

/** Follows the ways out of an obstacle, as they are printed, and returns what they printed. */
function follow(path: string, code: Obstacle['code']): string {
  const { obstacles } = JSON.parse(command('explain', path, '--json')) as Pick<Explanation, 'obstacles'>;
  const found = obstacles.find((one) => one.code === code);
  assert(found !== undefined && found.commands.length > 0, JSON.stringify(obstacles));
  const printed = command('explain', path)
    .split('\n')
    .map((line) => line.trim());
  for (const line of found.commands) assert(printed.includes(line), `not printed: ${line}`);
  return run('sh', '-ec', found.commands.join('\n'));
}

function granularity(directory: string): string {
  using region = Region.open(join(directory, `region-${process.hrtime.bigint()}`), { create: true, size: '1MiB' });
  region.write(0, Buffer.from('x'), 'persist');
  assert.equal(region.durability.mapSync, region.durability.granularity === 'cache-line');
  return region.durability.granularity;
}

describe('The ways out that pmem explain prints', () => {
  before(() => {
    mkdirSync('/usr/local/bin', { recursive: true });
    writeFileSync(COMMAND, `#!/bin/sh\nexec ${process.execPath} ${join(ROOT, 'dist/cli/main.js')} "$@"\n`);
    chmodSync(COMMAND, 0o755);
  });

  for (const name of ['blank', 'raw', 'sector']) {
    it(`lead from the block device of a namespace in mode ${name === 'blank' ? 'fsdax' : name} to a DAX file`, () => {
      follow(place(name).path, 'block-device');
      assert.equal(granularity(NEW), 'cache-line');
      run('umount', NEW);
    });
  }

  it('lead from a block device that is mounted to its mount point', () => {
    const { device = '', path } = place('ext4');
    assert.match(explain(device).obstacles[0]?.cause ?? '', new RegExp(`mounted on ${path}$`));
    assert.match(follow(device, 'block-device').replace(/\s+/g, ' '), /MAP_SYNC/);
  });

  it('are none from a block device that is a file elsewhere', () => {
    const [obstacle] = explain(place('empty').path).obstacles;
    assert.deepEqual([obstacle?.code, obstacle?.commands], ['block-device', []]);
    assert.match(obstacle?.remedy ?? '', /use a file on ext4 or xfs mounted with '-o dax' on a pmem device/);
  });

  for (const options of ['defaults', 'dax=never']) {
    it(`lead from a mount with ${options}, in two places with odd names, to one with dax`, () => {
      const { device = '', path } = place('ext4');
      const odd = "/run/it's a place";
      mkdirSync(odd, { recursive: true });
      run('umount', path);
      run('mount', '-o', options, device, path);
      run('mount', '-o', options, device, odd);
      assert.equal(granularity(odd), 'page');
      follow(odd, 'not-mounted-with-dax');
      assert.equal(granularity(odd), 'cache-line');
      run('umount', odd);
      run('mount', '-o', 'dax', device, path);
    });
  }

  it('lead from blocks of 1 KiB to blocks as large as pages', () => {
    const { device = '', path } = place('ext4');
    run('umount', path);
    run('mkfs.ext4', '-q', '-F', '-b', '1024', device);
    run('mount', device, path);
    assert.equal(granularity(path), 'page');
    follow(path, 'block-size');
    assert.equal(granularity(path), 'cache-line');
  });

  it('lead from xfs with reflink to DAX, made anew only where the kernel refuses the two together', () => {
    const { device = '', path } = place('xfs');
    run('umount', path);
    run('mkfs.xfs', '-q', '-f', '-m', 'reflink=1', device);
    let code: Obstacle['code'] = 'not-mounted-with-dax';
    try {
      run('mount', '-o', 'dax', device, path);
      run('umount', path);
    } catch {
      code = 'xfs-reflink';
    }
    run('mount', device, path);
    assert.equal(granularity(path), 'page');
    assert.deepEqual(
      explain(path).obstacles.map((obstacle) => obstacle.code),
      [code],
    );
    follow(path, code);
    assert.equal(granularity(path), 'cache-line');
  });

  it('lead from a mount without barriers to one with', () => {
    const { device = '', path } = place('disk');
    run('mount', '-o', 'remount,nobarrier', path);
    const before = explain(path).durability;
    assert.equal(before.below, 'unknown');
    assert.match(before.reason, new RegExp(`${path} is mounted with nobarrier`));
    follow(path, 'no-barrier');
    assert.equal(explain(path).durability.below, 'persistent', device);
    assert.deepEqual(
      explain(path).obstacles.map(({ code }) => code),
      ['device-without-dax'],
    );
  });
});

describe('A virtio-pmem device', () => {
  function deviceNow(): { path: string; mode: string | undefined } {
    const found = listDevices().find(({ provider }) => provider === 'virtio-pmem');
    assert(found?.path !== undefined);
    return { path: found.path, mode: found.mode };
  }

  it('is durable as a block device by msync, which asks the host', () => {
    using region = Region.open(place('virtio').path);
    region.write(0, Buffer.from('x'), 'persist');
    const { granularity: found, volatile, below } = region.durability;
    assert.deepEqual([found, volatile, below], ['page', false, 'persistent']);
    assert.equal(explain(region.path).obstacles[0]?.code, 'virtio-pmem');
  });

  it('is refused as device-DAX, and the way out leads to a device that is not', () => {
    run('ndctl', 'create-namespace', '-f', '-e', place('virtio').namespace ?? '', '-m', 'devdax', '-a', '4K');
    const { path, mode } = deviceNow();
    assert.equal(mode, 'devdax');
    {
      using region = Region.open(path);
      assert.equal(region.durability.volatile, true);
      assert.match(region.durability.reason, /virtio-pmem: stores become durable only by a flush request/);
      throwsCode(() => region.persist(0, 1), 'ERR_PMEM_VOLATILE');
      throwsCode(() => region.write(0, Buffer.from('x'), 'persist'), 'ERR_PMEM_VOLATILE');
      assert.equal(region.deepFlush(), 'unavailable');
      assert.deepEqual(explain(path).durability, region.durability);
    }
    throwsCode(() => Region.open(path, { granularity: 'cache-line' }), 'ERR_PMEM_GRANULARITY', { message: /virtio/ });
    assert.match(listDevices().find((one) => one.path === path)?.caveat ?? '', /virtio-pmem as device-DAX/);
    follow(path, 'virtio-pmem');
    using region = Region.open(deviceNow().path);
    region.write(0, Buffer.from('x'), 'persist');
    assert.equal(region.durability.granularity, 'page');
  });
});

describe('Legacy memory of memmap=size!start', () => {
  it('is unknown media everywhere, with the words on the kernel’s command line', () => {
    const { path, device = '' } = place('legacy');
    const words = /legacy memory \(e820\).*memmap=0x4000000!0x30000000/;
    using region = Region.open(join(path, 'said'), { create: true, size: '1MiB' });
    assert.match(region.durability.reason, words);
    const { granularity: found, below, volatile } = region.durability;
    assert.deepEqual([found, below, volatile], ['cache-line', 'unknown', false]);
    assert.match(explain(device).durability.reason, words);
    for (const args of [['info', path], ['explain', path], ['list']]) {
      assert.match(command(...args).replace(/\s+/g, ' '), words, args[0]);
      assert.match(command(...args, '--json'), words, args[0]);
    }
  });

  it('is told apart from an NVDIMM, of which only the platform is quoted', () => {
    const { path } = place('blank');
    assert.doesNotMatch(explain(path).durability.reason, /legacy/);
    const { durability } = explain(place('ext4').path);
    assert.match(durability.reason, /which the platform says it saves on power failure \(ADR\)/);
    assert.equal(durability.below, 'persistent');
  });
});
