/** Memory of a DAX device as ordinary memory of a NUMA node of its own, and back: as daxctl does it, and with ours. */

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Region } from 'pmem';
import { DaxDevice, type Reconfigured, reconfigure } from 'pmem/devdax';
import { NodeMemory, type NodeMemoryOptions, VolatileArena } from 'pmem/volatile';
import type { Host } from '#dist/linux/host.js';
import { throwsCode } from '../../support/errors.js';
import { ROOT } from '../../support/paths.js';
import { numa } from '../machines.js';
import { place } from '../places.js';

export const machines = [numa];

const MIB = 2 ** 20;
/** On what another machine tells of itself. */
const openOn: (options: NodeMemoryOptions, host: Host) => NodeMemory = NodeMemory.open;
const openAsyncOn: (options: NodeMemoryOptions, host: Host) => Promise<NodeMemory> = NodeMemory.openAsync;
const NODE = '/sys/devices/system/node/node1';
const AUTO_ONLINE = '/sys/devices/system/memory/auto_online_blocks';

function kib(file: string, name: string): number {
  try {
    return Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync(file, 'utf8'))?.[1]);
  } catch {
    return 0; // a node without any memory
  }
}

/** Memory that the kernel has, in bytes. */
function totals(): { all: number; node: number } {
  return { all: 1024 * kib('/proc/meminfo', 'MemTotal'), node: 1024 * kib(join(NODE, 'meminfo'), 'MemTotal') };
}

/** Everything that reconfiguring changes in sysfs, and what daxctl makes of it. */
function state() {
  const devices = '/sys/bus/dax/devices';
  const drivers = readdirSync(devices).map((name) => [name, basename(realpathSync(join(devices, name, 'driver')))]);
  const blocks = (existsSync(NODE) ? readdirSync(NODE) : [])
    .filter((name) => /^memory\d+$/.test(name))
    .map((name) => [
      name,
      ...['state', 'valid_zones'].map((one) => readFileSync(join(NODE, name, one), 'utf8').trim()),
    ]);
  return {
    list: JSON.parse(execFileSync('daxctl', ['list', '-D'], { encoding: 'utf8' })) as object[],
    drivers,
    blocks,
    totals: totals(),
    nodes: readFileSync('/sys/devices/system/node/has_memory', 'utf8').trim(),
    files: readdirSync('/dev').filter((name) => name.startsWith('dax')),
  };
}

function daxctl(mode: string, ...options: string[]): void {
  const args = ['reconfigure-device', `--mode=${mode}`, ...options, basename(place('spare').path)];
  execFileSync('daxctl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
}

function toMemory(options = {}): Reconfigured {
  return reconfigure(place('spare').path, 'system-ram', { destroyData: true, ...options });
}

function toDevice(): Reconfigured {
  return reconfigure(place('spare').path, 'devdax', { force: true });
}

function command(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/cli/main.js', 'dax', 'reconfigure', ...args], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

/** What the kernel says of the mappings that are bound to node 1. */
function boundToNode1(): string[] {
  return readFileSync('/proc/self/numa_maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes(' bind:1 '));
}

describe('reconfigure, on a machine with two NUMA nodes', () => {
  let device: ReturnType<typeof state>;
  let memory: ReturnType<typeof state>;

  before(() => {
    assert.equal(readFileSync(AUTO_ONLINE, 'utf8').trim(), 'offline');
    device = state();
    daxctl('system-ram');
    memory = state();
    daxctl('devdax', '--force');
    assert.deepEqual(state(), device);
    assert.notDeepEqual(memory, device);
  });

  it('to system-ram does what daxctl does: drivers, blocks, zones, and as much more memory', () => {
    const report = toMemory();
    assert.deepEqual(state(), memory);
    const { node, all } = memory.totals;
    assert.deepEqual(report, {
      device: basename(place('spare').path),
      mode: 'system-ram',
      changed: true,
      path: undefined,
      size: report.size,
      targetNode: 1,
      memory: {
        blockSize: 128 * MIB,
        blocks: node / (128 * MIB),
        online: node / (128 * MIB),
        onlineBytes: node - device.totals.node,
        movable: true,
        autoOnline: 'offline',
      },
      offlined: 0,
    });
    assert(node >= 512 * MIB, String(node));
    assert.equal(all - device.totals.all, node);
  });

  it('to devdax gives the device back', () => {
    const report = toDevice();
    assert.deepEqual(state(), device);
    assert.equal(report.offlined, memory.blocks.length);
    assert.equal(report.path, place('spare').path);
  });

  it('to system-ram can be undone by daxctl', () => {
    toMemory();
    daxctl('devdax', '--force');
    assert.deepEqual(state(), device);
  });

  it('to devdax undoes what daxctl did', () => {
    daxctl('system-ram');
    toDevice();
    assert.deepEqual(state(), device);
  });

  it('with online: false leaves the memory offline, and brings it online later', () => {
    daxctl('system-ram', '--no-online');
    const offline = state();
    toDevice();
    const report = toMemory({ online: false });
    assert.deepEqual(state(), offline);
    assert.equal(report.memory?.online, 0);
    assert.equal(report.memory.movable, undefined);
    // Not even this has to be confirmed: nothing is lost by it.
    const again = reconfigure(place('spare').path, 'system-ram');
    assert.equal(again.changed, false);
    assert.deepEqual(state(), memory);
    assert.equal(toDevice().changed, true);
    assert.equal(toDevice().changed, false);
    assert.deepEqual(state(), device);
  });

  it('refuses without confirmation or with open descriptors, and changes nothing', () => {
    throwsCode(() => reconfigure(place('spare').path, 'system-ram'), 'ERR_PMEM_NOT_CONFIRMED');
    {
      using region = Region.open(place('spare').path, { shared: true });
      assert.equal(region.kind, 'devdax');
      throwsCode(() => toMemory(), 'EBUSY', { message: new RegExp(`process ${process.pid}`) });
    }
    {
      // Open, and nothing of it mapped. Force is not for that: the kernel would crash later.
      using open = DaxDevice.open(place('spare').path);
      for (const force of [false, true]) {
        throwsCode(() => toMemory({ force }), 'EBUSY', { message: new RegExp(`process ${process.pid}`) });
      }
      open.map().close();
    }
    writeFileSync(AUTO_ONLINE, 'online');
    throwsCode(() => toMemory(), 'EBUSY', { message: /auto_online_blocks/ });
    throwsCode(() => toMemory({ online: false }), 'EBUSY', { message: /offline is wanted/ });
    assert.deepEqual(state(), device);
    // As it is wanted, or taken as it comes.
    writeFileSync(AUTO_ONLINE, 'online_movable');
    assert.equal(toMemory().memory?.autoOnline, 'online_movable');
    writeFileSync(AUTO_ONLINE, 'offline');
    assert.deepEqual(state(), memory);
    const back = () => reconfigure(place('spare').path, 'devdax');
    throwsCode(back, 'EBUSY', { message: /memory\d+, memory\d+.*force: true/ });
    assert.deepEqual(state(), memory);
    toDevice();
  });

  it('works by the command line', () => {
    const { path } = place('spare');
    const refused = command(path, '--mode', 'system-ram');
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /ERR_PMEM_NOT_CONFIRMED|--yes/);
    assert.deepEqual(state(), device);
    const done = command(basename(path), '--mode=system-ram', '--yes', '--json');
    assert.equal(done.status, 0, done.stderr);
    assert.equal((JSON.parse(done.stdout) as Reconfigured).memory?.onlineBytes, memory.totals.node);
    assert.deepEqual(state(), memory);
    assert.equal(command(basename(path), '--mode', 'devdax').status, 1);
    const back = command(path, '--mode', 'devdax', '--force');
    assert.equal(back.status, 0, back.stderr);
    assert.match(back.stdout, /now in mode devdax/);
    assert.deepEqual(state(), device);
  });

  describe("with the memory's own node", () => {
    before(() => {
      throwsCode(() => NodeMemory.open({ node: 1, size: MIB }), 'ERR_PMEM_NODE', {
        message: /node 1 .*; with memory: 0/,
      });
      throwsCode(() => VolatileArena.open({ device: place('spare').path, size: MIB }), 'ERR_PMEM_MODE');
      toMemory();
    });

    it('leaves a device that cannot be opened (ENXIO)', () => {
      throwsCode(() => Region.open(place('spare').path), 'ENXIO', { message: /system-ram/ });
    });

    it('gives NodeMemory.open pages of that node, as numa_maps says', () => {
      using bound = NodeMemory.open({ node: 1, size: 64 * MIB });
      assert.deepEqual(bound.where(), { pageSize: 4096, nodes: new Map([[1, 16384]]), untouched: 0 });
      const [line, ...others] = boundToNode1();
      assert.match(String(line), / N1=16384 /);
      assert.doesNotMatch(String(line), / N0=/);
      assert.deepEqual(others, []);
      bound.view().fill(5);
      assert.deepEqual(bound.where(64 * MIB - 1).nodes, new Map([[1, 1]]));
    });

    it('gives NodeMemory.openAsync pages of that node, in one bound mapping', async () => {
      using bound = await NodeMemory.openAsync({ node: 1, size: 80 * MIB });
      assert.deepEqual(bound.where(), { pageSize: 4096, nodes: new Map([[1, 20480]]), untouched: 0 });
      const [line, ...others] = boundToNode1();
      assert.match(String(line), / N1=20480 /);
      assert.deepEqual(others, []);
    });

    it('gives pages that are touched later', () => {
      using bound = NodeMemory.open({ node: 1, size: MIB, populate: false });
      assert.deepEqual(bound.where(), { pageSize: 4096, nodes: new Map(), untouched: 256 });
      bound.view(4096, 1).fill(1);
      assert.deepEqual(bound.where(), { pageSize: 4096, nodes: new Map([[1, 1]]), untouched: 255 });
    });

    it('gives huge pages that were reserved there', () => {
      const apart = join(NODE, 'hugepages', 'hugepages-2048kB', 'nr_hugepages');
      throwsCode(() => NodeMemory.open({ node: 1, size: '8MiB', hugePages: '2MiB' }), 'ENOMEM', {
        message: /node1.*nr_hugepages/,
      });
      writeFileSync(apart, '4');
      {
        using bound = NodeMemory.open({ node: 1, size: '8MiB', hugePages: '2MiB' });
        bound.view().fill(1);
        assert.deepEqual(bound.where(), { pageSize: 2 * MIB, nodes: new Map([[1, 4]]), untouched: 0 });
      }
      writeFileSync(apart, '0');
    });

    it('gives an arena its Buffers', () => {
      using arena = VolatileArena.open({ device: basename(place('spare').path), size: 32 * MIB });
      assert.equal(arena.node, 1);
      assert.equal(arena.persistent, false);
      const buffer = arena.allocate(4 * MIB, { align: 2 * MIB });
      buffer.fill(7);
      assert.deepEqual(arena.where().nodes, new Map([[1, 8192]]));
      assert.match(boundToNode1().join('\n'), / N1=8192 /);
      arena.free(buffer);
      assert.equal(arena.statistics().used, 0);
    });

    it('refuses more memory than the node has, and no process is killed', async () => {
      const size = memory.totals.node + 32 * MIB;
      throwsCode(() => NodeMemory.open({ node: 1, size }), 'ENOMEM', { message: /NUMA node 1/ });
      // A host whose figures are out of date.
      const root = mkdtempSync(join(tmpdir(), 'pmem-test-'));
      const nodes = join(root, 'devices', 'system', 'node');
      mkdirSync(join(nodes, 'node1'), { recursive: true });
      writeFileSync(join(nodes, 'has_memory'), '0-1\n');
      writeFileSync(join(nodes, 'node1', 'meminfo'), 'Node 1 MemFree: 8388608 kB\n');
      const stale = { sys: root, proc: '/proc' };
      throwsCode(() => openOn({ node: 1, size }, stale), 'ERR_PMEM_NODE_PLACEMENT', {
        message: /\d+ on node 0/,
      });
      await assert.rejects(openAsyncOn({ node: 1, size }, stale), { code: 'ERR_PMEM_NODE_PLACEMENT' });
      rmSync(root, { recursive: true });
      using both = NodeMemory.open({ node: 1, size, strict: false });
      const { nodes: counts, untouched } = both.where();
      assert.equal(untouched, 0);
      assert((counts.get(1) ?? 0) > 0 && (counts.get(0) ?? 0) > 0);
    });

    it('keeps to the limit of a control group, past which the kernel kills', () => {
      const groups = '/run/limits';
      mkdirSync(groups);
      execFileSync('mount', ['-t', 'cgroup2', 'cgroup2', groups]);
      writeFileSync(join(groups, 'cgroup.subtree_control'), '+memory');
      const group = join(groups, 'limited');
      mkdirSync(group);
      writeFileSync(join(group, 'memory.max'), String(256 * MIB));
      const source = `import { NodeMemory } from 'pmem/volatile';
        NodeMemory.open({ node: 1, size: '32MiB' }).close();
        try {
          NodeMemory.open({ node: 1, size: '384MiB' });
        } catch (error) {
          console.log(error.message);
        }`;
      const script = `echo $$ >${group}/cgroup.procs; exec "$0" --input-type=module --eval "$1"`;
      const { signal, stdout, stderr } = spawnSync('sh', ['-c', script, process.execPath, source], {
        cwd: ROOT,
        encoding: 'utf8',
      });
      assert.equal(signal, null);
      assert.match(stdout, /^ENOMEM: .*control group '\/run\/limits\/limited', 256 MiB, leaves/, stderr);
      rmdirSync(group);
      writeFileSync(join(groups, 'cgroup.subtree_control'), '-memory');
      execFileSync('umount', [groups]);
    });

    it('moves pages away when the memory is taken offline', () => {
      using bound = NodeMemory.open({ node: 1, size: 16 * MIB });
      bound.view().fill(9);
      toDevice();
      assert.deepEqual(bound.where().nodes, new Map([[0, 4096]]));
      assert(bound.view().every((byte) => byte === 9));
    });

    it('makes it a device again, which keeps what is stored', () => {
      assert.deepEqual(state(), device);
      {
        using region = Region.open(place('spare').path);
        region.write(0, Buffer.from('a device again'), 'persist');
      }
      using again = Region.open(place('spare').path);
      assert.equal(again.view(0, 14).toString(), 'a device again');
    });
  });

  describe('with memory that is not movable', () => {
    it('refuses with EBUSY where the kernel keeps something there, and leaves all of it as it was', async () => {
      // Last: nothing but a restart may take this back.
      const report = toMemory({ movable: false });
      assert.equal(report.memory?.movable, false);
      const before = state();
      assert(before.blocks.every(([, online, zone]) => online === 'online' && zone === 'Normal'));
      // A process that may use node 1 only has its page tables there.
      const groups = '/run/groups';
      mkdirSync(groups);
      execFileSync('mount', ['-t', 'cgroup2', 'cgroup2', groups]);
      writeFileSync(join(groups, 'cgroup.subtree_control'), '+cpuset');
      mkdirSync(join(groups, 'there'));
      writeFileSync(join(groups, 'there', 'cpuset.mems'), '1');
      const script = `echo $$ >${groups}/there/cgroup.procs; (echo ready; read wait)`;
      const child = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] });
      await new Promise((resolve) => child.stdout.once('data', resolve));
      throwsCode(() => toDevice(), 'EBUSY', {
        message: /memory\d+ offline; \S+ is in mode system-ram, with (\d+) of \1 blocks online; memory.* not movable/s,
      });
      assert.deepEqual(state(), before);
      child.stdin.end('\n');
      await new Promise((resolve) => child.once('exit', resolve));
    });
  });
});
