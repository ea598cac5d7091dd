import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { type ArenaOptions, type ArenaStatistics, NodeMemory, VolatileArena } from 'pmem/volatile';
import type { Host } from '#dist/linux/host.js';
import type { Progress } from '#dist/options.js';
import { inChild } from '../support/child.js';
import { throwsCode } from '../support/errors.js';
import { Machine, nvdimms } from '../support/machine.js';
import { collected } from '../support/maps.js';
import { Random } from '../support/random.js';
import { inWorker } from '../support/worker.js';

const MIB = 2 ** 20;
const SIZE = MIB;

type Transferring = ArrayBuffer & { transfer?(): ArrayBuffer };

function opened(size = SIZE): VolatileArena {
  return VolatileArena.open({ node: 0, size });
}

/** On what another machine tells of itself. */
const openOn: (options: ArenaOptions, host: Host) => VolatileArena = VolatileArena.open;

/** Statistics of an arena as it was opened, with these changes. */
function expected(changes: Partial<ArenaStatistics>): ArenaStatistics {
  return {
    persistent: false,
    node: 0,
    size: SIZE,
    used: 0,
    pending: 0,
    free: SIZE,
    largestFree: SIZE,
    buffers: 0,
    allocations: 0,
    freedByHand: 0,
    freedByCollection: 0,
    ...changes,
  };
}

describe('VolatileArena', () => {
  it('with zeroOnFree overwrites freed Buffers, and without it leaves their bytes', () => {
    for (const zeroOnFree of [true, false]) {
      using arena = VolatileArena.open({ node: 0, size: SIZE, zeroOnFree });
      const secret = arena.allocate(SIZE);
      secret.fill(0xaa);
      arena.free(secret);
      const next = arena.allocate(SIZE, { zero: false });
      assert(next.every((byte) => byte === (zeroOnFree ? 0 : 0xaa)));
    }
  });

  it('with zeroOnFree overwrites Buffers that garbage collection gave back', async () => {
    for (const reuse of [undefined, 'collected'] as const) {
      using arena = VolatileArena.open({ node: 0, size: SIZE, zeroOnFree: true });
      (() => {
        const secret = arena.allocate(SIZE).fill(0xaa);
        if (reuse !== undefined) arena.free(secret, { reuse });
      })();
      assert(await collected(() => arena.statistics().used === 0));
      assert(arena.allocate(SIZE, { zero: false }).every((byte) => byte === 0));
    }
  });

  it('with zeroOnFree does not overwrite transferred memory in close', () => {
    const arena = VolatileArena.open({ node: 0, size: SIZE, zeroOnFree: true });
    const kept = arena.allocate(4096).fill(0xaa);
    const memory = kept.buffer as Transferring;
    const moved = memory.transfer?.();
    arena.close();
    assert.equal(kept.length, 0);
    if (moved !== undefined) assert(new Uint8Array(moved).every((byte) => byte === 0xaa));
  });

  it('allocates, frees, and allocates the same bytes again', () => {
    using arena = opened();
    assert.deepEqual(arena.statistics(), expected({}));
    const one = arena.allocate(MIB);
    assert.equal(one.length, SIZE);
    assert.deepEqual(arena.statistics(), expected({ used: SIZE, free: 0, largestFree: 0, buffers: 1, allocations: 1 }));
    one.fill(7);
    arena.free(one);
    assert.equal(one.length, 0);
    assert.deepEqual(arena.statistics(), expected({ allocations: 1, freedByHand: 1 }));
    const two = arena.allocate(SIZE);
    assert(two.every((byte) => byte === 0));
    arena.free(two);
    const three = arena.allocate(100, { zero: false });
    assert.equal(three.length, 100);
    assert.equal(three.buffer.byteLength, 100);
    assert.equal(arena.statistics().used, 128);
  });

  it('frees a Buffer once, whatever a getter of its ArrayBuffer does', () => {
    using arena = opened();
    const one = arena.allocate(4096);
    let other: Buffer | undefined;
    const get = (): number => {
      if (other !== undefined) return 4096;
      other = Buffer.alloc(0);
      arena.free(one);
      other = arena.allocate(4096);
      return 0;
    };
    Object.defineProperty(one.buffer, 'byteLength', { get });
    arena.free(one);
    const buffers = [other ?? arena.allocate(4096), arena.allocate(4096)];
    for (const [i, buffer] of buffers.entries()) buffer.fill(i + 1);
    for (const [i, buffer] of buffers.entries()) assert.ok(buffer.every((byte) => byte === i + 1));
  });

  it('with zero: false leaves the old bytes', () => {
    using arena = opened();
    const one = arena.allocate(64);
    one.fill(9);
    arena.free(one);
    assert.equal(arena.allocate(64, { zero: false })[63], 9);
    assert.equal(arena.allocate(64)[63], 0);
  });

  it('is not persistent, and has no method that would make it so', () => {
    using arena = opened();
    assert.equal(arena.persistent, false);
    assert.equal(arena.statistics().persistent, false);
    for (const name of ['persist', 'flush', 'drain', 'durability', 'deepFlush']) assert(!(name in arena), name);
  });

  it('has its pages on the node', () => {
    using arena = opened();
    assert.equal(arena.node, 0);
    assert.deepEqual(arena.where(), { pageSize: 4096, nodes: new Map([[0, 256]]), untouched: 0 });
  });

  it('empties subarrays and DataViews of a freed Buffer', () => {
    using arena = opened();
    const buffer = arena.allocate(1000);
    const part = buffer.subarray(10, 20);
    const words = new DataView(buffer.buffer);
    arena.free(buffer);
    assert.equal(part.length, 0);
    assert.throws(() => words.getInt8(0), TypeError);
  });

  it('frees by any view of the whole Buffer, and refuses a part', () => {
    using arena = opened();
    const buffer = arena.allocate(1000);
    throwsCode(() => arena.free(buffer.subarray(0, 999)), 'ERR_INVALID_ARG_VALUE');
    throwsCode(() => arena.free(buffer.subarray(1)), 'ERR_INVALID_ARG_VALUE');
    throwsCode(() => arena.free(buffer.subarray(0, 0)), 'ERR_INVALID_ARG_VALUE');
    Object.defineProperty(buffer, 'length', { value: 5 });
    arena.free(new Uint8Array(buffer.buffer));
    assert.equal(arena.statistics().used, 0);
  });

  it('refuses to free a Buffer twice, and Buffers of others', () => {
    using arena = opened();
    using other = opened();
    using memory = NodeMemory.open({ node: 0, size: 100 });
    const buffer = arena.allocate(10);
    throwsCode(() => other.free(buffer), 'ERR_INVALID_ARG_VALUE', { message: /another/ });
    for (const strange of [Buffer.alloc(10), Buffer.from('pooled'), new Uint8Array(0), memory.view()]) {
      throwsCode(() => arena.free(strange), 'ERR_INVALID_ARG_VALUE');
    }
    for (const strange of [undefined, null, 5, 'x', {}, [], buffer.buffer, new Uint16Array(5)]) {
      throwsCode(() => arena.free(strange as unknown as Buffer), 'ERR_INVALID_ARG_TYPE');
    }
    arena.free(buffer);
    throwsCode(() => arena.free(buffer), 'ERR_PMEM_DOUBLE_FREE');
    // The same bytes, another Buffer.
    const again = arena.allocate(10);
    throwsCode(() => arena.free(buffer), 'ERR_PMEM_DOUBLE_FREE');
    assert.equal(again.length, 10);
    assert.equal(arena.statistics().buffers, 1);
  });

  it('refuses wrong arguments', () => {
    using arena = opened();
    for (const bytes of [0, -1, 0.5, Number.NaN, Infinity, 2 ** 53]) {
      throwsCode(() => arena.allocate(bytes), 'ERR_OUT_OF_RANGE');
    }
    for (const bytes of [undefined, null, {}, 5n, '1MiB']) {
      throwsCode(() => arena.allocate(bytes as unknown as number), 'ERR_INVALID_ARG_TYPE');
    }
    for (const align of [0, 3, -8, Number.NaN, 4 * MIB]) {
      throwsCode(() => arena.allocate(8, { align }), 'ERR_OUT_OF_RANGE');
    }
    throwsCode(() => arena.allocate(8, { zero: 1 } as unknown as { zero: boolean }), 'ERR_INVALID_ARG_TYPE');
    throwsCode(() => arena.allocate(8, { zeros: true } as unknown as { zero: boolean }), 'ERR_INVALID_ARG_VALUE');
    throwsCode(() => arena.allocate(8, null as unknown as { zero: boolean }), 'ERR_INVALID_ARG_TYPE');
    const buffer = arena.allocate(8);
    throwsCode(() => arena.free(buffer, { reuse: 'later' } as unknown as { reuse: 'now' }), 'ERR_INVALID_ARG_VALUE');
    const open = (options: unknown) => () => VolatileArena.open(options as ArenaOptions);
    throwsCode(open(undefined), 'ERR_INVALID_ARG_TYPE');
    throwsCode(open({ size: MIB }), 'ERR_INVALID_ARG_VALUE');
    throwsCode(open({ size: MIB, node: 0, device: 'dax0.0' }), 'ERR_INVALID_ARG_VALUE');
    throwsCode(open({ size: MIB, device: 'sda' }), 'ERR_INVALID_ARG_VALUE');
    throwsCode(open({ size: MIB, device: 5 }), 'ERR_INVALID_ARG_TYPE');
    throwsCode(open({ size: MIB, node: 1000 }), 'ERR_PMEM_NODE');
    throwsCode(open({ size: 0, node: 0 }), 'ERR_OUT_OF_RANGE');
    throwsCode(open({ size: MIB, device: 'dax99.99' }), 'ENODEV');
    throwsCode(() => arena.free(buffer, { reuse: 5 } as unknown as { reuse: 'now' }), 'ERR_INVALID_ARG_TYPE');
    // @ts-expect-error: the constructor is private
    throwsCode(() => new VolatileArena(), 'ERR_INVALID_ARG_VALUE');
    assert.equal(arena.statistics().allocations, 1);
  });

  it('says what is free when an allocation is too large', () => {
    using arena = opened();
    const buffers = Array.from({ length: 4 }, () => arena.allocate(SIZE / 4));
    arena.free(buffers[0] as Buffer);
    arena.free(buffers[2] as Buffer);
    throwsCode(() => arena.allocate(SIZE / 2), 'ENOMEM', {
      message: /512 KiB are free, at most 256 KiB in one range; 2 Buffers/,
    });
    arena.free(buffers[1] as Buffer);
    arena.free(arena.allocate((SIZE / 4) * 3));
  });

  it('empties its Buffers and refuses every call after close', () => {
    const arena = opened();
    const buffer = arena.allocate(10);
    arena.close();
    arena.close();
    assert.equal(arena.closed, true);
    assert.equal(buffer.length, 0);
    for (const call of [
      () => arena.allocate(1),
      () => arena.free(buffer),
      () => arena.statistics(),
      () => arena.where(),
    ]) {
      throwsCode(call, 'ERR_PMEM_CLOSED');
    }
    assert.equal(arena.size, SIZE);
  });

  it('prints itself in one line', () => {
    const arena = opened();
    assert.equal(inspect(arena), 'VolatileArena on node 0 (1 MiB of 1 MiB free)');
    arena.close();
    assert.equal(inspect(arena), 'VolatileArena on node 0 (closed)');
  });

  it('waits for allocations under way in Symbol.asyncDispose', async () => {
    const arena = opened();
    (() => arena.allocate(SIZE).fill(1))();
    const allocating = arena.allocateAsync(SIZE);
    await arena[Symbol.asyncDispose]();
    assert.equal(arena.closed, true);
    assert.equal((await allocating).length, 0);
  });

  it('opens asynchronously, step by step', async () => {
    const seen: Progress[] = [];
    const onProgress = (progress: Progress) => seen.push(progress);
    using arena = await VolatileArena.openAsync({ node: 0, size: 40 * MIB, onProgress });
    const total = 40 * MIB;
    assert.deepEqual(
      seen,
      [32 * MIB, total].map((done) => ({ done, total })),
    );
    assert.deepEqual(arena.where(), { pageSize: 4096, nodes: new Map([[0, 10240]]), untouched: 0 });
    assert.equal(arena.allocate(40 * MIB).length, 40 * MIB);
    for (const [options, code] of [
      [{ node: 0, size: MIB, signal: {} }, 'ERR_INVALID_ARG_TYPE'],
      [{ size: MIB }, 'ERR_INVALID_ARG_VALUE'],
      [{ size: MIB, device: 'dax99.99' }, 'ENODEV'],
      [undefined, 'ERR_INVALID_ARG_TYPE'],
    ] as const) {
      await assert.rejects(VolatileArena.openAsync(options as unknown as ArenaOptions), { code });
    }
    const signal = AbortSignal.abort();
    await assert.rejects(VolatileArena.openAsync({ node: 0, size: MIB, signal }), { name: 'AbortError' });
  });

  describe('with garbage collection', () => {
    it('gives unreachable Buffers back, and counts them', async () => {
      using arena = opened();
      let kept: Buffer | undefined = arena.allocate(64);
      (() => {
        for (let i = 0; i < 100; i++) arena.allocate(1000);
      })();
      assert(await collected(() => arena.statistics().freedByCollection === 100));
      assert.deepEqual(
        arena.statistics(),
        expected({
          used: 64,
          free: SIZE - 64,
          largestFree: SIZE - 64,
          buffers: 1,
          allocations: 101,
          freedByCollection: 100,
        }),
      );
      kept.fill(1);
      kept = undefined;
      assert(await collected(() => arena.statistics().used === 0));
    });

    it('keeps a Buffer of which a part is reachable', async () => {
      using arena = opened();
      let part: Buffer | undefined = (() => arena.allocate(1000).fill(3).subarray(500, 501))();
      await collected(() => false);
      assert.equal(arena.statistics().used, 1024);
      assert.equal(part[0], 3);
      part = undefined;
      assert(await collected(() => arena.statistics().used === 0));
    });

    it('counts Buffers that were freed by hand once', async () => {
      using arena = opened();
      (() => {
        for (let i = 0; i < 100; i++) arena.free(arena.allocate(1000));
      })();
      const live = arena.allocate(SIZE);
      await collected(() => false);
      assert.deepEqual(
        arena.statistics(),
        expected({ used: SIZE, free: 0, largestFree: 0, buffers: 1, allocations: 101, freedByHand: 100 }),
      );
      assert.equal(live.length, SIZE);
    });

    it('waits for it in allocateAsync', async () => {
      using arena = opened();
      for (let i = 0; i < 20; i++) (await arena.allocateAsync(SIZE / 2 + 1)).fill(1);
      assert.equal(arena.statistics().allocations, 20);
      const kept = await arena.allocateAsync(MIB);
      await assert.rejects(arena.allocateAsync(1), { code: 'ENOMEM' });
      assert.equal(kept.length, SIZE);
    });

    it('does not collect again and again where nothing is garbage', async () => {
      const { code, value, stderr } = await inChild(
        async () => {
          const collections: string[] = [];
          const collect = globalThis.gc as (options?: { type?: string }) => void;
          globalThis.gc = ((options?: { type?: string }) => {
            collections.push(options?.type ?? 'full');
            collect(options);
          }) as typeof globalThis.gc;
          const { VolatileArena } = await import('pmem/volatile');
          const arena = VolatileArena.open({ node: 0, size: 65536 });
          const kept = arena.allocate(65536);
          const code = (error: NodeJS.ErrnoException) => error.code ?? '';
          const fulls = () => collections.splice(0).filter((type) => type === 'full').length;
          const alone = await arena.allocateAsync(64).then(() => '', code);
          const first = fulls();
          const several = await Promise.all([1, 2, 3].map(() => arena.allocateAsync(64).then(() => '', code)));
          const second = fulls();
          const closed = arena.allocateAsync(64).then(() => '', code);
          arena.close();
          return [alone, first, ...several, second, await closed, kept.length];
        },
        [],
        { execArgv: ['--expose-gc'] },
      );
      assert.deepEqual(
        { code, value, stderr },
        { code: 0, value: ['ENOMEM', 1, 'ENOMEM', 'ENOMEM', 'ENOMEM', 1, 'ERR_PMEM_CLOSED', 0], stderr: '' },
      );
    });

    it('collects garbage of the same turn', async () => {
      using arena = opened();
      for (let i = 0; i < 10; i++) {
        (() => arena.allocate(SIZE).fill(1))();
        assert.equal((await arena.allocateAsync(SIZE))[0], 0);
        assert(await collected(() => arena.statistics().used === 0));
      }
    });

    it('collects without --expose-gc', async () => {
      const { code, value, stderr } = await inChild(async () => {
        const { VolatileArena } = await import('pmem/volatile');
        const arena = VolatileArena.open({ node: 0, size: 65536 });
        for (let i = 0; i < 10; i++) await arena.allocateAsync(65536);
        return `${arena.statistics().freedByCollection} ${typeof globalThis.gc}`;
      }, []);
      assert.deepEqual({ code, value, stderr }, { code: 0, value: '9 undefined', stderr: '' });
    });

    it("with reuse: 'collected' gives bytes out again only after the Buffer was collected", async () => {
      using arena = opened();
      let buffer: Buffer | undefined = arena.allocate(SIZE);
      arena.free(buffer, { reuse: 'collected' });
      assert.equal(buffer.length, 0);
      assert.deepEqual(
        arena.statistics(),
        expected({ used: SIZE, pending: SIZE, free: 0, largestFree: 0, allocations: 1, freedByHand: 1 }),
      );
      throwsCode(() => arena.free(buffer as Buffer, { reuse: 'collected' }), 'ERR_PMEM_DOUBLE_FREE');
      throwsCode(() => arena.allocate(1), 'ENOMEM', { message: /not collected yet/ });
      buffer = undefined;
      assert(await collected(() => arena.statistics().used === 0));
      assert.deepEqual(arena.statistics(), expected({ allocations: 1, freedByHand: 1 }));
    });

    it("with reuse: 'collected' waits for a read that is under way", async () => {
      using arena = opened();
      const root = mkdtempSync(join(tmpdir(), 'pmem-test-'));
      const file = await open(join(root, 'file'), 'w+');
      try {
        await file.write(Buffer.alloc(SIZE, 1));
        const reading = (() => {
          const target = arena.allocate(SIZE);
          const promise = file.read(target, 0, SIZE, 0);
          arena.free(target, { reuse: 'collected' });
          return promise.then(({ bytesRead }) => bytesRead);
        })();
        throwsCode(() => arena.allocate(SIZE), 'ENOMEM');
        assert.equal(await reading, SIZE);
        assert(await collected(() => arena.statistics().used === 0));
        assert(arena.allocate(SIZE).every((byte) => byte === 0));
      } finally {
        await file.close();
        rmSync(root, { recursive: true });
      }
    });

    it('keeps its Buffers when it is collected itself', async () => {
      const buffer = (() => opened().allocate(1000))();
      buffer.fill(4);
      await collected(() => false);
      assert(buffer.every((byte) => byte === 4));
    });
  });

  describe('with memory that was transferred', () => {
    it('frees it when both ArrayBuffers are collected', async function () {
      if ((ArrayBuffer.prototype as Transferring).transfer === undefined) this.skip();
      using arena = opened();
      let buffer: Buffer | undefined = arena.allocate(1000);
      let elsewhere: Buffer | undefined = Buffer.from((buffer.buffer as Transferring).transfer?.() as ArrayBuffer);
      throwsCode(() => arena.free(buffer as Buffer), 'ERR_PMEM_TRANSFERRED');
      buffer = undefined;
      await collected(() => false);
      assert.equal(arena.statistics().used, 1024);
      const rest = arena.allocate(SIZE - 1024);
      rest.fill(1);
      assert(elsewhere.every((byte) => byte === 0));
      elsewhere.fill(2);
      assert(rest.every((byte) => byte === 1));
      throwsCode(() => arena.free(elsewhere as Buffer), 'ERR_INVALID_ARG_VALUE');
      elsewhere = undefined;
      assert(await collected(() => arena.statistics().freedByCollection === 1));
      assert.equal(arena.statistics().free, 1024);
    });

    it('leaves it usable after close', async function () {
      if ((ArrayBuffer.prototype as Transferring).transfer === undefined) this.skip();
      const arena = opened();
      const elsewhere = Buffer.from((arena.allocate(1000).buffer as Transferring).transfer?.() as ArrayBuffer);
      arena.close();
      await collected(() => false);
      elsewhere.fill(2);
      assert(elsewhere.every((byte) => byte === 2));
    });

    it('never shares it through structuredClone', async () => {
      using arena = opened();
      const buffer = arena.allocate(1000);
      buffer[0] = 1;
      let clone: ArrayBuffer | undefined;
      try {
        clone = structuredClone(buffer.buffer as ArrayBuffer, { transfer: [buffer.buffer as ArrayBuffer] });
      } catch (error) {
        assert.equal((error as Error).name, 'DataCloneError');
      }
      await collected(() => false);
      const others = arena.statistics().free === SIZE ? arena.allocate(SIZE) : arena.allocate(SIZE - 1024);
      others.fill(5);
      assert.equal(clone === undefined ? buffer[0] : new Uint8Array(clone)[0], 1);
    });
  });

  it('works in a worker that ends without closing it', async () => {
    const lengths = await inWorker(async () => {
      const { VolatileArena } = await import('pmem/volatile');
      const arena = VolatileArena.open({ node: 0, size: 2 ** 20 });
      const buffers = Array.from({ length: 10 }, () => arena.allocate(1000));
      arena.free(buffers[0] as Buffer, { reuse: 'collected' });
      arena.free(buffers[1] as Buffer);
      return buffers.map(({ length }) => length);
    }, undefined);
    assert.deepEqual(lengths, [0, 0, ...Array.from({ length: 8 }, () => 1000)]);
    await collected(() => false);
  });

  for (const seed of [1, 2]) {
    it(`never shares a byte: 10,000 steps by hand and by garbage collection, seed ${seed}`, async () => {
      using arena = opened(256 * 1024);
      const random = new Random(seed);
      const live: { buffer: Buffer; mark: number }[] = [];
      const whole = ({ buffer, mark }: { buffer: Buffer; mark: number }) => buffer.every((byte) => byte === mark);
      let dropped = 0;
      const garbageIsBack = () => {
        const { freedByCollection, pending } = arena.statistics();
        return freedByCollection === dropped && pending === 0;
      };
      // A function of its own: what an async function has in its variables while it waits is reached.
      const act = (step: number): void => {
        const choice = random.below(10);
        if (choice < 5) {
          const mark = 1 + random.below(255);
          const align = random.below(3) === 0 ? 2 ** random.below(13) : 64;
          let buffer: Buffer;
          try {
            buffer = arena.allocate(1 + random.below(2 ** (1 + random.below(14))), { align });
          } catch (error) {
            assert.equal((error as NodeJS.ErrnoException).code, 'ENOMEM');
            for (const one of live.splice(0, live.length / 2)) arena.free(one.buffer);
            return;
          }
          assert(
            buffer.every((byte) => byte === 0),
            `step ${step}: not zero`,
          );
          buffer.fill(mark);
          live.push({ buffer, mark });
        } else if (live.length > 0) {
          const [one] = live.splice(random.below(live.length), 1);
          assert(one !== undefined && whole(one), `step ${step}: somebody else stored into it`);
          if (choice < 8) arena.free(one.buffer, { reuse: choice === 5 ? 'collected' : 'now' });
          else dropped++;
        }
      };
      for (let step = 0; step < 10_000; step++) {
        act(step);
        if (step % 1000 === 999) assert(await collected(garbageIsBack), `step ${step}: garbage was not given back`);
      }
      assert(live.every(whole));
      assert(dropped > 0);
      (() => {
        for (const { buffer } of live.splice(0)) arena.free(buffer);
      })();
      assert(await collected(() => arena.statistics().used === 0));
      const { allocations, freedByHand, freedByCollection, largestFree, buffers } = arena.statistics();
      assert.equal(freedByHand + freedByCollection, allocations);
      assert.equal(freedByCollection, dropped);
      assert.equal(largestFree, 256 * 1024);
      assert.equal(buffers, 0);
    });
  }

  describe('on the node of a device in mode system-ram', () => {
    let root = '';
    let machine: Machine;
    beforeEach(() => {
      root = mkdtempSync(join(tmpdir(), 'pmem-test-'));
      machine = new Machine(root);
    });
    afterEach(() => rmSync(root, { recursive: true, force: true }));

    /** A device in some mode, whose memory is of that node. */
    function device(driver: string, attributes: Record<string, string | number>): void {
      machine.onBus('dax', `${nvdimms(machine)}/dax0.0`, driver, { size: 2 ** 30, ...attributes });
    }

    it("is on the device's target node", () => {
      device('kmem', { target_node: 0 });
      for (const name of ['dax0.0', '/dev/dax0.0']) {
        using arena = openOn({ device: name, size: 4096 }, machine.host);
        assert.equal(arena.node, 0);
        assert.equal(arena.allocate(4096).length, 4096);
      }
    });

    /** Blocks of memory of node 0, by number: 8 of them are the device's. */
    function blocks(online: readonly number[], offline: readonly number[] = []): void {
      machine.device('system/memory', { block_size_bytes: (128 * MIB).toString(16) });
      for (const number of [...online, ...offline]) {
        const state = online.includes(number) ? 'online' : 'offline';
        const block = machine.device(`system/memory/memory${number}`, { state, phys_index: number.toString(16) });
        const node = machine.device('system/node/node0');
        symlinkSync(block, join(node, `memory${number}`));
      }
    }

    it("is refused while none of the device's memory is online, though the node has other memory", () => {
      device('kmem', { target_node: 0, resource: '0x200000000' });
      machine.device('system/node', { has_memory: '0' });
      const open = () => openOn({ device: 'dax0.0', size: 4096 }, machine.host);
      blocks([0, 63, 72], [64, 65]);
      throwsCode(open, 'ERR_PMEM_NODE', { message: /none of its memory is online.*daxctl online-memory dax0\.0/ });
      blocks([66]);
      open().close();
    });

    it('is refused while the kernel shows no memory of the device', () => {
      device('kmem', { target_node: 0, resource: '0x200000000' });
      machine.device('system/node', { has_memory: '0' });
      blocks([0, 63, 72]);
      const open = () => openOn({ device: 'dax0.0', size: 4096 }, machine.host);
      throwsCode(open, 'ERR_PMEM_NODE', { message: /online/ });
    });

    it('is refused for a device in another mode, without a driver, and that does not exist', () => {
      device('device_dax', { target_node: 0 });
      const open = (name = 'dax0.0') => openOn({ device: name, size: 4096 }, machine.host);
      throwsCode(open, 'ERR_PMEM_MODE', { message: /pmem dax reconfigure dax0.0 --mode system-ram/ });
      throwsCode(() => open('dax1.0'), 'ENODEV', { message: /there are: dax0.0/ });
      rmSync(join(machine.host.sys, 'bus', 'dax', 'devices', 'dax0.0', 'driver'));
      throwsCode(open, 'ERR_PMEM_MODE', { message: /has no driver/ });
    });

    it("is refused while the device's node has no memory", () => {
      device('kmem', { target_node: 3 });
      const open = () => openOn({ device: 'dax0.0', size: 4096 }, machine.host);
      throwsCode(open, 'ERR_PMEM_NODE', { message: /online/ });
    });

    it('is refused where the kernel does not tell the node', () => {
      device('kmem', { target_node: -1 });
      const open = () => openOn({ device: 'dax0.0', size: 4096 }, machine.host);
      throwsCode(open, 'ERR_PMEM_NODE');
    });
  });
});
