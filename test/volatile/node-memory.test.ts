import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Region } from 'pmem';
import { NodeMemory, type NodeMemoryAsyncOptions, type NodeMemoryOptions } from 'pmem/volatile';
import type { Host } from '#dist/linux/host.js';
import { parseNodeList } from '#dist/linux/numa-nodes.js';
import type { Progress } from '#dist/options.js';
import { inChild } from '../support/child.js';
import { limitedGroup } from '../support/control-group.js';
import { throwsCode } from '../support/errors.js';
import { collected } from '../support/maps.js';
import { needsRoot } from '../support/root.js';

const MIB = 2 ** 20;
/** On what another machine tells of itself. */
const openOn: (options: NodeMemoryOptions, host: Host) => NodeMemory = NodeMemory.open;
const openAsyncOn: (options: NodeMemoryAsyncOptions, host: Host) => Promise<NodeMemory> = NodeMemory.openAsync;
const PAGE = 4096;

/**
 * Bytes of this process that are bound to a node (numa_maps, proc(5)), once what others left was collected. What is resident in all
 * would say less: V8 takes and gives back memory of its own whenever it likes.
 */
async function boundBytes(context: Mocha.Context): Promise<number> {
  if (!existsSync(NUMA_MAPS)) {
    console.log('      skipped: the kernel does not speak of nodes');
    context.skip();
  }
  await collected(() => false);
  return boundNow();
}

const NUMA_MAPS = '/proc/self/numa_maps';

function boundNow(): number {
  let pages = 0;
  for (const line of readFileSync(NUMA_MAPS, 'utf8').split('\n')) {
    if (/^[0-9a-f]+ bind:/.test(line)) pages += Number(/ anon=(\d+)/.exec(line)?.[1] ?? 0);
  }
  return pages * PAGE;
}

describe('NodeMemory', () => {
  it('maps zeroes that can be stored into, all on the node', () => {
    using memory = NodeMemory.open({ node: 0, size: '4MiB' });
    assert(memory instanceof NodeMemory);
    assert.equal(memory.size, 4 * MIB);
    assert.equal(memory.node, 0);
    assert.equal(memory.persistent, false);
    assert.equal(memory.closed, false);
    const view = memory.view();
    assert.equal(view.length, 4 * MIB);
    assert(view.every((byte) => byte === 0));
    view[5] = 7;
    assert.deepEqual([...memory.view(4, 3)], [0, 7, 0]);
    assert.deepEqual(memory.where(), { pageSize: PAGE, nodes: new Map([[0, 1024]]), untouched: 0 });
  });

  it('has no method that would make it durable', () => {
    using memory = NodeMemory.open({ node: 0, size: 1 });
    for (const name of ['persist', 'flush', 'drain', 'durability', 'deepFlush']) assert(!(name in memory), name);
  });

  it('tells the nodes of the pages of a part', () => {
    using memory = NodeMemory.open({ node: 0, size: 3 * PAGE + 1 });
    assert.equal(memory.view().length, 3 * PAGE + 1);
    assert.deepEqual(memory.where(PAGE - 1, 2).nodes, new Map([[0, 2]]));
    assert.deepEqual(memory.where(PAGE, PAGE).nodes, new Map([[0, 1]]));
    assert.deepEqual(memory.where(3 * PAGE).nodes, new Map([[0, 1]]));
    assert.deepEqual(memory.where(5, 0), { pageSize: PAGE, nodes: new Map(), untouched: 0 });
  });

  it('with populate: false allocates a page when it is touched', () => {
    using memory = NodeMemory.open({ node: 0, size: 10 * PAGE, populate: false });
    assert.deepEqual(memory.where(), { pageSize: PAGE, nodes: new Map(), untouched: 10 });
    memory.view(PAGE, 1).fill(1);
    assert.deepEqual(memory.where(), { pageSize: PAGE, nodes: new Map([[0, 1]]), untouched: 9 });
  });

  it('refuses wrong options before anything is mapped', () => {
    const good: NodeMemoryOptions = { node: 0, size: PAGE };
    const wrong = (change: Record<string, unknown>): (() => unknown) => {
      return () => NodeMemory.open({ ...good, ...change } as unknown as NodeMemoryOptions);
    };
    for (const options of [undefined, null, 5, 'node']) {
      throwsCode(() => NodeMemory.open(options as unknown as NodeMemoryOptions), 'ERR_INVALID_ARG_TYPE');
    }
    for (const node of [undefined, null, '0', 0n, {}]) throwsCode(wrong({ node }), 'ERR_INVALID_ARG_TYPE');
    for (const node of [-1, 0.5, Number.NaN, Infinity, 1024, 2 ** 53]) throwsCode(wrong({ node }), 'ERR_OUT_OF_RANGE');
    for (const size of [undefined, null, {}, 5n]) throwsCode(wrong({ size }), 'ERR_INVALID_ARG_TYPE');
    for (const size of [0, -1, 0.5, Number.NaN, Infinity, 2 ** 53, 2 ** 52 + 1]) {
      throwsCode(wrong({ size }), 'ERR_OUT_OF_RANGE');
    }
    throwsCode(wrong({ size: 'much' }), 'ERR_INVALID_ARG_VALUE');
    for (const align of [0, 3, -1, Number.NaN, 2 ** 53]) throwsCode(wrong({ align }), 'ERR_OUT_OF_RANGE');
    throwsCode(wrong({ align: null }), 'ERR_INVALID_ARG_TYPE');
    for (const name of ['populate', 'strict']) throwsCode(wrong({ [name]: 1 }), 'ERR_INVALID_ARG_TYPE');
    for (const hugePages of ['4KiB', 'toString']) throwsCode(wrong({ hugePages }), 'ERR_INVALID_ARG_VALUE');
    for (const hugePages of [5, true]) throwsCode(wrong({ hugePages }), 'ERR_INVALID_ARG_TYPE');
    throwsCode(wrong({ hugePages: '2MiB', size: MIB }), 'ERR_OUT_OF_RANGE');
    throwsCode(wrong({ persistent: true }), 'ERR_INVALID_ARG_VALUE');
    throwsCode(wrong({ align: 2 ** 50 }), 'ENOMEM');
    // @ts-expect-error: the constructor is private
    throwsCode(() => new NodeMemory(), 'ERR_INVALID_ARG_VALUE');
  });

  it('refuses ranges outside of the memory', () => {
    using memory = NodeMemory.open({ node: 0, size: PAGE });
    for (const name of ['view', 'where'] as const) {
      for (const offset of [-1, 0.5, Number.NaN, PAGE + 1, 2 ** 53]) {
        throwsCode(() => memory[name](offset), 'ERR_OUT_OF_RANGE');
        throwsCode(() => memory[name](0, offset), 'ERR_OUT_OF_RANGE');
      }
      throwsCode(() => memory[name](1, PAGE), 'ERR_OUT_OF_RANGE');
      for (const wrong of [null, '0', 0n]) {
        throwsCode(() => memory[name](wrong as unknown as number), 'ERR_INVALID_ARG_TYPE');
        throwsCode(() => memory[name](0, wrong as unknown as number), 'ERR_INVALID_ARG_TYPE');
      }
    }
    assert.equal(memory.view(PAGE, 0).length, 0);
  });

  it('names the nodes that exist', () => {
    throwsCode(() => NodeMemory.open({ node: 1023, size: PAGE }), 'ERR_PMEM_NODE', {
      message: /node 1023 does not exist; with memory: 0/,
    });
  });

  it('refuses more than the node has', () => {
    throwsCode(() => NodeMemory.open({ node: 0, size: 2 ** 45 }), 'ENOMEM', { message: /NUMA node 0.*free/ });
    throwsCode(() => NodeMemory.open({ node: 0, size: 2 ** 52, populate: false }), 'ENOMEM');
  });

  it('empties its views, refuses every call and gives the memory back after close', async function () {
    const before = await boundBytes(this);
    const memory = NodeMemory.open({ node: 0, size: 64 * MIB });
    const view = memory.view(100, 100);
    assert.equal(boundNow(), before + 64 * MIB);
    memory.close();
    memory.close();
    assert.equal(memory.closed, true);
    assert.equal(view.length, 0);
    throwsCode(() => memory.view(), 'ERR_PMEM_CLOSED');
    throwsCode(() => memory.where(), 'ERR_PMEM_CLOSED');
    assert.equal(memory.size, 64 * MIB);
    assert.equal(inspect(memory), 'NodeMemory on node 0 (closed)');
    assert(await collected(() => boundNow() === before));
  });

  it('gives the memory back when it and its last Buffer are collected', async function () {
    const before = await boundBytes(this);
    let view: Buffer | undefined = (() => NodeMemory.open({ node: 0, size: 64 * MIB }).view(0, 1))();
    await collected(() => false);
    view[0] = 5;
    assert.equal(view[0], 5);
    assert.equal(boundNow(), before + 64 * MIB);
    view = undefined;
    assert(await collected(() => boundNow() === before));
  });

  it('can be the source and the target of regions', () => {
    using memory = NodeMemory.open({ node: 0, size: PAGE });
    const root = mkdtempSync(join(tmpdir(), 'pmem-test-'));
    try {
      using region = Region.open(join(root, 'file'), { create: true, size: PAGE, assumePersistent: true });
      memory.view().fill(3);
      for (let i = 0; i < 20; i++) region.write(0, memory.view(0, 64), 'persist');
      assert.equal(region.view()[63], 3);
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it('takes reserved huge pages, and says how to reserve more', function () {
    needsRoot(this);
    const apart = '/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages';
    const before = readFileSync(apart, 'utf8').trim();
    writeFileSync(apart, String(Number(before) + 2));
    try {
      using memory = NodeMemory.open({ node: 0, size: '4MiB', hugePages: '2MiB' });
      memory.view().fill(1);
      assert.deepEqual(memory.where(), { pageSize: 2 * MIB, nodes: new Map([[0, 2]]), untouched: 0 });
    } finally {
      writeFileSync(apart, String(Number(readFileSync(apart, 'utf8')) - 2));
    }
    throwsCode(() => NodeMemory.open({ node: 0, size: 2 ** 40, hugePages: '2MiB' }), 'ENOMEM', {
      message: /nr_hugepages/,
    });
  });

  describe('NodeMemory.openAsync', () => {
    it('opens the same memory step by step, while the event loop turns', async () => {
      const seen: Progress[] = [];
      let turns = 0;
      const turn = () => {
        turns++;
        immediate = setImmediate(turn);
      };
      let immediate = setImmediate(turn);
      using memory = await NodeMemory.openAsync({
        node: 0,
        size: 80 * MIB + 1,
        onProgress: (progress) => seen.push(progress),
      });
      clearImmediate(immediate);
      assert(turns >= 2, String(turns));
      assert(memory instanceof NodeMemory);
      const total = 80 * MIB + 1;
      assert.deepEqual(
        seen,
        [32 * MIB, 64 * MIB, total].map((done) => ({ done, total })),
      );
      assert.deepEqual(memory.where(), { pageSize: PAGE, nodes: new Map([[0, 20 * 1024 + 1]]), untouched: 0 });
      assert(memory.view(80 * MIB - 5, 6).every((byte) => byte === 0));
    });

    it('with populate: false allocates no page', async () => {
      using memory = await NodeMemory.openAsync({
        node: 0,
        size: 10 * PAGE,
        populate: false,
        onProgress: () => assert.fail(),
      });
      assert.deepEqual(memory.where(), { pageSize: PAGE, nodes: new Map(), untouched: 10 });
    });

    it('takes reserved huge pages', async function () {
      needsRoot(this);
      const apart = '/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages';
      const before = readFileSync(apart, 'utf8').trim();
      writeFileSync(apart, String(Number(before) + 2));
      try {
        using memory = await NodeMemory.openAsync({ node: 0, size: '4MiB', hugePages: '2MiB' });
        assert.deepEqual(memory.where(), { pageSize: 2 * MIB, nodes: new Map([[0, 2]]), untouched: 0 });
      } finally {
        writeFileSync(apart, String(Number(readFileSync(apart, 'utf8')) - 2));
      }
    });

    it('gives all memory back on a signal', async function () {
      const before = await boundBytes(this);
      await assert.rejects(
        NodeMemory.openAsync({ node: 0, size: PAGE, signal: AbortSignal.abort(new Error('no')) }),
        /^Error: no$/,
      );
      const giving = new AbortController();
      const done: number[] = [];
      const mapping = NodeMemory.openAsync({
        node: 0,
        size: 128 * MIB,
        signal: giving.signal,
        onProgress: (progress) => {
          done.push(progress.done);
          if (progress.done === 64 * MIB) giving.abort(new Error('enough'));
        },
      });
      await assert.rejects(mapping, /^Error: enough$/);
      assert.deepEqual(done, [32 * MIB, 64 * MIB]);
      assert(await collected(() => boundNow() === before));
    });

    it('gives all memory back when onProgress throws', async function () {
      const before = await boundBytes(this);
      const onProgress = () => {
        throw new Error('mine');
      };
      await assert.rejects(NodeMemory.openAsync({ node: 0, size: 64 * MIB, onProgress }), /^Error: mine$/);
      assert(await collected(() => boundNow() === before));
    });

    it('refuses what open refuses, and wrong signals and callbacks', async () => {
      const call = (change: Record<string, unknown>) =>
        NodeMemory.openAsync({ node: 0, size: PAGE, ...change } as unknown as NodeMemoryAsyncOptions);
      for (const [change, code] of [
        [{ signal: 5 }, 'ERR_INVALID_ARG_TYPE'],
        [{ onProgress: true }, 'ERR_INVALID_ARG_TYPE'],
        [{ node: '0' }, 'ERR_INVALID_ARG_TYPE'],
        [{ size: 0 }, 'ERR_OUT_OF_RANGE'],
        [{ persistent: true }, 'ERR_INVALID_ARG_VALUE'],
        [{ node: 1023 }, 'ERR_PMEM_NODE'],
        [{ size: 2 ** 45 }, 'ENOMEM'],
      ] as const) {
        await assert.rejects(call(change), { code });
      }
      await assert.rejects(NodeMemory.openAsync(null as unknown as NodeMemoryAsyncOptions), {
        code: 'ERR_INVALID_ARG_TYPE',
      });
      throwsCode(
        () => NodeMemory.open({ node: 0, size: PAGE, signal: 5 } as unknown as NodeMemoryOptions),
        'ERR_INVALID_ARG_VALUE',
      );
    });

    it('stops when other processes take the memory meanwhile', async () => {
      const root = mkdtempSync(join(tmpdir(), 'pmem-test-'));
      try {
        const node = join(root, 'devices', 'system', 'node', 'node0');
        mkdirSync(node, { recursive: true });
        const free = (bytes: number) => writeFileSync(join(node, 'meminfo'), `Node 0 MemFree: ${bytes / 1024} kB\n`);
        free(128 * MIB);
        const done: number[] = [];
        const onProgress = (progress: Progress) => {
          done.push(progress.done);
          free((progress.done === 64 * MIB ? 60 : 128) * MIB);
        };
        const host = { sys: root, proc: '/proc' };
        await assert.rejects(openAsyncOn({ node: 0, size: 128 * MIB, onProgress }, host), { code: 'ENOMEM' });
        assert.deepEqual(done, [32 * MIB, 64 * MIB]);
      } finally {
        rmSync(root, { recursive: true });
      }
    });
  });

  it('refuses a size for which the kernel would kill this process', async function () {
    const group = limitedGroup(256 * MIB);
    if (group === undefined) return this.skip();
    try {
      const { code, signal, value } = await inChild(
        async (processes: string) => {
          const { writeFileSync } = await import('node:fs');
          writeFileSync(processes, String(process.pid));
          const { NodeMemory, VolatileArena } = await import('pmem/volatile');
          NodeMemory.open({ node: 0, size: '32MiB' }).close();
          const said = [
            () => NodeMemory.open({ node: 0, size: '512MiB' }),
            () => NodeMemory.open({ node: 0, size: '512MiB', strict: false }),
            () => VolatileArena.open({ node: 0, size: '512MiB' }),
          ].map((call) => {
            try {
              call().close();
              return 'no error';
            } catch (error) {
              return (error as Error).message;
            }
          });
          // As much as is told to be left, and nothing of it is one page too much.
          const left = /leaves (\d+) MiB|leaves ([\d.]+) MiB/.exec(said[0] ?? '');
          NodeMemory.open({ node: 0, size: (Math.floor(Number(left?.[1] ?? left?.[2])) - 24) * 2 ** 20 }).close();
          return said;
        },
        [group.processes],
      );
      assert.deepEqual({ code, signal }, { code: 0, signal: null });
      for (const said of value ?? [''])
        assert.match(said, /^ENOMEM: .*control group '.*pmem-test-\d+', 256 MiB, leaves/);
    } finally {
      group.remove();
    }
  });

  describe('on another machine', () => {
    let root = '';
    const host = (node: string | undefined, meminfo?: string) => {
      const nodes = join(root, 'devices', 'system', 'node');
      mkdirSync(join(nodes, 'node0'), { recursive: true });
      if (node !== undefined) writeFileSync(join(nodes, 'has_memory'), `${node}\n`);
      if (meminfo !== undefined) writeFileSync(join(nodes, 'node0', 'meminfo'), meminfo);
      writeFileSync(join(nodes, 'online'), '0-2\n');
      return { sys: root, proc: '/proc' };
    };
    beforeEach(() => {
      root = mkdtempSync(join(tmpdir(), 'pmem-test-'));
    });
    afterEach(() => rmSync(root, { recursive: true, force: true }));

    it('has all memory on node 0 without NUMA', () => {
      using memory = openOn({ node: 0, size: PAGE }, { sys: join(root, 'none'), proc: root });
      assert.deepEqual(memory.where().nodes, new Map([[0, 1]]));
      throwsCode(() => openOn({ node: 1, size: PAGE }, { sys: join(root, 'none'), proc: root }), 'ERR_PMEM_NODE');
    });

    it('refuses a node without memory', () => {
      throwsCode(() => openOn({ node: 1, size: PAGE }, host('0,2')), 'ERR_PMEM_NODE', {
        message: /node 1 has no memory; with memory: 0, 2/,
      });
    });

    it('counts memory that the kernel can drop as free', () => {
      const kib = (free: number, files: number, shared: number) =>
        `Node 0 MemFree: ${free} kB\nNode 0 FilePages: ${files} kB\nNode 0 Shmem: ${shared} kB\nNode 0 SReclaimable: 1 kB\n`;
      openOn({ node: 0, size: 3 * PAGE }, host('0', kib(4, 11, 4))).close();
      const options = { node: 0, size: 3 * PAGE };
      throwsCode(() => openOn(options, host('0', kib(4, 10, 4))), 'ENOMEM');
      throwsCode(() => openOn({ ...options, strict: false }, host('0', kib(4, 10, 4))), 'ENOMEM', {
        message: /all NUMA/,
      });
      openOn({ ...options, strict: false }, host('0,2', kib(4, 10, 4))).close();
      openOn({ ...options, populate: false }, host('0', kib(4, 10, 4))).close();
    });

    describe('with limits on control groups', () => {
      const options = { node: 0, size: 64 * MIB };
      /** What of the limit is not for Buffers: page tables, and a reserve. */
      const OVERHEAD = 64 * 2048 + 4 * MIB;
      let groups = '';

      function limited(cgroup: string, mount: string, files: Record<string, string>) {
        mkdirSync(join(root, 'self'), { recursive: true });
        groups = join(root, 'groups');
        writeFileSync(join(root, 'self', 'cgroup'), cgroup);
        writeFileSync(join(root, 'self', 'mountinfo'), mount.replace('AT', groups));
        for (const [path, text] of Object.entries(files)) {
          mkdirSync(join(groups, path, '..'), { recursive: true });
          writeFileSync(join(groups, path), `${text}\n`);
        }
        return { ...host('0'), proc: root };
      }
      const V2 = '30 1 0:30 / AT rw - cgroup2 cgroup2 rw';
      const within = (used: number) => String(used + options.size + OVERHEAD);

      for (const [what, cgroup, mount, path] of [
        ['the limit of its group', '0::/a/b', V2, 'a/b/'],
        ['the limit of a group above', '0::/a/b', V2, 'a/'],
        ['the limit of a container, which sees no other group', '0::/', V2, ''],
        ['the limit of a container without a namespace', '0::/docker/x', V2.replace(' / ', ' /docker/x '), ''],
        ['the limit of a group above what a container may see', '0::/../other', V2, ''],
      ] as const) {
        it(`keeps ${what} (version 2)`, () => {
          const files = { [`${path}memory.max`]: within(MIB), [`${path}memory.current`]: String(MIB) };
          openOn(options, limited(cgroup, mount, files)).close();
          const less = { ...files, [`${path}memory.current`]: String(MIB + 1) };
          for (const strict of [true, false]) {
            throwsCode(() => openOn({ ...options, strict }, limited(cgroup, mount, less)), 'ENOMEM', {
              message: /control group '.*groups.*', 69[.\d]* MiB, leaves 68[.\d]* MiB/,
            });
          }
          // Pages of files that are not in use are dropped before anybody is killed.
          const cache = { ...less, [`${path}memory.stat`]: 'anon 5\nfile 7\ninactive_file 1\nactive_file 9' };
          openOn(options, limited(cgroup, mount, cache)).close();
          // What is touched later is not checked now.
          openOn({ ...options, populate: false }, limited(cgroup, mount, less)).close();
        });
      }

      it('keeps a limit of version 1', () => {
        const mount = '30 1 0:30 / AT rw - cgroup cgroup rw,memory\n31 1 0:31 / AT/cpu rw - cgroup cgroup rw,cpu';
        const cgroup = '4:cpu:/c\n5:memory,hugetlb:/m\n0::/';
        const files = { 'm/memory.limit_in_bytes': within(0), 'm/memory.usage_in_bytes': '0' };
        openOn(options, limited(cgroup, mount, files)).close();
        const less = { ...files, 'm/memory.usage_in_bytes': '1000', 'm/memory.stat': 'inactive_file 1000' };
        throwsCode(() => openOn(options, limited(cgroup, mount, less)), 'ENOMEM', {
          message: /control group '.*m'/,
        });
        const cache = { ...less, 'm/memory.stat': 'inactive_file 0\ntotal_inactive_file 1000' };
        openOn(options, limited(cgroup, mount, cache)).close();
        const unlimited = { ...less, 'm/memory.limit_in_bytes': '9223372036854771712' };
        openOn(options, limited(cgroup, mount, unlimited)).close();
      });

      it('keeps the least of several limits', () => {
        const several = {
          'a/b/memory.max': 'max',
          'a/b/memory.current': '5',
          'a/memory.max': String(2 ** 40),
          'a/memory.current': '5',
          'memory.max': String(MIB),
          'memory.current': '0',
        };
        throwsCode(() => openOn(options, limited('0::/a/b', V2, several)), 'ENOMEM', {
          message: /, 1 MiB, leaves 1 MiB/,
        });
        openOn(options, limited('0::/a/b', V2, { ...several, 'memory.max': 'max' })).close();
        openOn(options, limited('nonsense\n7:memory', 'nonsense', { ...several, 'memory.max': 'max' })).close();
      });
    });

    it("explains the kernel's refusal of a node that this process may not use", function () {
      if (readFileSync('/sys/devices/system/node/has_memory', 'utf8').trim() !== '0') this.skip();
      throwsCode(() => openOn({ node: 2, size: PAGE }, host('0,2')), 'EINVAL', { message: /Mems_allowed_list/ });
    });
  });
});

describe('lists of nodes', () => {
  it('as the kernel writes them', () => {
    assert.deepEqual(parseNodeList(''), []);
    assert.deepEqual(parseNodeList('0'), [0]);
    assert.deepEqual(parseNodeList('0-2,5,7-8'), [0, 1, 2, 5, 7, 8]);
    assert.deepEqual(parseNodeList('x,1-,3'), [3]);
  });
});
