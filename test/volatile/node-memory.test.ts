import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MapOnNodeOptions, mapOnNode, NodeMemory, Region } from 'pmem';
import { parseNodeList } from '#dist/volatile/nodes.js';
import { throwsCode } from '../support/errors.js';
import { collected } from '../support/maps.js';
import { needsRoot } from '../support/root.js';

const MIB = 2 ** 20;
const PAGE = 4096;

function residentKiB(): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
}

describe('mapOnNode', () => {
  it('has zeroes that can be stored into, all on the node', () => {
    using memory = mapOnNode({ node: 0, size: '4MiB' });
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

  it('has nothing that would make it durable', () => {
    using memory = mapOnNode({ node: 0, size: 1 });
    for (const name of ['persist', 'flush', 'drain', 'durability', 'deepFlush']) assert(!(name in memory), name);
  });

  it('knows the pages of a part', () => {
    using memory = mapOnNode({ node: 0, size: 3 * PAGE + 1 });
    assert.equal(memory.view().length, 3 * PAGE + 1);
    assert.deepEqual(memory.where(PAGE - 1, 2).nodes, new Map([[0, 2]]));
    assert.deepEqual(memory.where(PAGE, PAGE).nodes, new Map([[0, 1]]));
    assert.deepEqual(memory.where(3 * PAGE).nodes, new Map([[0, 1]]));
    assert.deepEqual(memory.where(5, 0), { pageSize: PAGE, nodes: new Map(), untouched: 0 });
  });

  it('populates when it is told to leave that: page by page', () => {
    using memory = mapOnNode({ node: 0, size: 10 * PAGE, populate: false });
    assert.deepEqual(memory.where(), { pageSize: PAGE, nodes: new Map(), untouched: 10 });
    memory.view(PAGE, 1).fill(1);
    assert.deepEqual(memory.where(), { pageSize: PAGE, nodes: new Map([[0, 1]]), untouched: 9 });
  });

  it('refuses wrong options before anything is mapped', () => {
    const good: MapOnNodeOptions = { node: 0, size: PAGE };
    const wrong = (change: Record<string, unknown>): (() => unknown) => {
      return () => mapOnNode({ ...good, ...change } as unknown as MapOnNodeOptions);
    };
    for (const options of [undefined, null, 5, 'node']) {
      throwsCode(() => mapOnNode(options as unknown as MapOnNodeOptions), 'ERR_INVALID_ARG_TYPE');
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
    for (const hugePages of ['4KiB', 'toString', 5, true]) throwsCode(wrong({ hugePages }), 'ERR_INVALID_ARG_VALUE');
    throwsCode(wrong({ hugePages: '2MiB', size: MIB }), 'ERR_OUT_OF_RANGE');
    throwsCode(wrong({ persistent: true }), 'ERR_INVALID_ARG_VALUE');
    throwsCode(wrong({ align: 2 ** 50 }), 'ENOMEM');
    throwsCode(() => new (NodeMemory as unknown as new () => NodeMemory)(), 'ERR_INVALID_ARG_VALUE');
  });

  it('refuses ranges outside of it', () => {
    using memory = mapOnNode({ node: 0, size: PAGE });
    for (const name of ['view', 'where'] as const) {
      for (const offset of [-1, 0.5, Number.NaN, PAGE + 1, 2 ** 53]) {
        throwsCode(() => memory[name](offset), 'ERR_OUT_OF_RANGE');
        throwsCode(() => memory[name](0, offset), 'ERR_OUT_OF_RANGE');
      }
      throwsCode(() => memory[name](1, PAGE), 'ERR_OUT_OF_RANGE');
      throwsCode(() => memory[name](null as unknown as number), 'ERR_INVALID_ARG_TYPE');
    }
    assert.equal(memory.view(PAGE, 0).length, 0);
  });

  it('names the nodes that there are', () => {
    throwsCode(() => mapOnNode({ node: 1023, size: PAGE }), 'ERR_PMEM_NODE', {
      message: /node 1023 does not exist; with memory: 0/,
    });
  });

  it('refuses more than the node has', () => {
    throwsCode(() => mapOnNode({ node: 0, size: 2 ** 45 }), 'ENOMEM', { message: /NUMA node 0.*free/ });
    throwsCode(() => mapOnNode({ node: 0, size: 2 ** 52, populate: false }), 'ENOMEM');
  });

  it('ends: views are empty, methods refuse, the memory is given back', async () => {
    const before = residentKiB();
    const memory = mapOnNode({ node: 0, size: 64 * MIB });
    const view = memory.view(100, 100);
    assert(residentKiB() > before + 60 * 1024);
    memory.close();
    memory.close();
    assert.equal(memory.closed, true);
    assert.equal(view.length, 0);
    throwsCode(() => memory.view(), 'ERR_PMEM_CLOSED');
    throwsCode(() => memory.where(), 'ERR_PMEM_CLOSED');
    assert.equal(memory.size, 64 * MIB);
    assert(await collected(() => residentKiB() < before + 32 * 1024));
  });

  it('is given back when it is forgotten, not before the last Buffer is', async () => {
    const before = residentKiB();
    let view: Buffer | undefined = (() => mapOnNode({ node: 0, size: 64 * MIB }).view(0, 1))();
    await collected(() => false);
    view[0] = 5;
    assert.equal(view[0], 5);
    assert(residentKiB() > before + 32 * 1024);
    view = undefined;
    assert(await collected(() => residentKiB() < before + 32 * 1024));
  });

  it('can be the source and the target of regions', () => {
    using memory = mapOnNode({ node: 0, size: PAGE });
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

  it('takes huge pages that were set apart, and says how when there are too few', function () {
    needsRoot(this);
    const apart = '/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages';
    const before = readFileSync(apart, 'utf8').trim();
    writeFileSync(apart, String(Number(before) + 2));
    try {
      using memory = mapOnNode({ node: 0, size: '4MiB', hugePages: '2MiB' });
      memory.view().fill(1);
      assert.deepEqual(memory.where(), { pageSize: 2 * MIB, nodes: new Map([[0, 2]]), untouched: 0 });
    } finally {
      writeFileSync(apart, before);
    }
    throwsCode(() => mapOnNode({ node: 0, size: 2 ** 40, hugePages: '2MiB' }), 'ENOMEM', { message: /nr_hugepages/ });
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

    it('without NUMA all memory is on node 0', () => {
      using memory = mapOnNode({ node: 0, size: PAGE }, { sys: join(root, 'none'), proc: root });
      assert.deepEqual(memory.where().nodes, new Map([[0, 1]]));
      throwsCode(() => mapOnNode({ node: 1, size: PAGE }, { sys: join(root, 'none'), proc: root }), 'ERR_PMEM_NODE');
    });

    it('a node can be there and have no memory', () => {
      throwsCode(() => mapOnNode({ node: 1, size: PAGE }, host('0,2')), 'ERR_PMEM_NODE', {
        message: /node 1 has no memory; with memory: 0, 2/,
      });
    });

    it('what the kernel could drop counts as room', () => {
      const kib = (free: number, files: number, shared: number) =>
        `Node 0 MemFree: ${free} kB\nNode 0 FilePages: ${files} kB\nNode 0 Shmem: ${shared} kB\nNode 0 SReclaimable: 1 kB\n`;
      mapOnNode({ node: 0, size: 3 * PAGE }, host('0', kib(4, 11, 4))).close();
      const options = { node: 0, size: 3 * PAGE };
      throwsCode(() => mapOnNode(options, host('0', kib(4, 10, 4))), 'ENOMEM');
      throwsCode(() => mapOnNode({ ...options, strict: false }, host('0', kib(4, 10, 4))), 'ENOMEM', {
        message: /all NUMA/,
      });
      mapOnNode({ ...options, strict: false }, host('0,2', kib(4, 10, 4))).close();
      mapOnNode({ ...options, populate: false }, host('0', kib(4, 10, 4))).close();
    });

    it('a node that this process may not use is refused by the kernel, in words', function () {
      if (readFileSync('/sys/devices/system/node/has_memory', 'utf8').trim() !== '0') this.skip();
      throwsCode(() => mapOnNode({ node: 2, size: PAGE }, host('0,2')), 'EINVAL', { message: /Mems_allowed_list/ });
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
