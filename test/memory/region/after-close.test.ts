import assert from 'node:assert/strict';
import { Region } from 'pmem';
import { codeOf, throwsCode } from '../../support/errors.js';
import { newRegion } from '../../support/regions.js';
import { onDisk } from '../../support/temp.js';

/** What is not in the declarations that are published. */
interface Internal {
  claim(operation: string, exclusive: boolean): unknown;
  refuseInUse(): void;
  fastSectors(layout: object): unknown;
}

/** A valid call of every method that needs the memory. The test fails when the class has one that is not here. */
const CALLS: Readonly<Record<string, (region: Region) => unknown>> = {
  view: (region) => region.view(),
  read: (region) => region.read(0, Buffer.alloc(8)),
  write: (region) => region.write(0, Buffer.alloc(8)),
  fill: (region) => region.fill(0, 8),
  load64: (region) => region.load64(0),
  readText: (region) => region.readText(0, 1),
  store64: (region) => region.store64(0, 1n),
  flush: (region) => region.flush(0, 8),
  drain: (region) => region.drain(),
  persist: (region) => region.persist(0, 8),
  persistAll: (region) => region.persistAll([{ offset: 0, length: 8 }]),
  crc32c: (region) => region.crc32c(0, 8),
  writeAsync: (region) => region.writeAsync(0, Buffer.alloc(8)),
  readAsync: (region) => region.readAsync(0, Buffer.alloc(8)),
  fillAsync: (region) => region.fillAsync(0, 8),
  slice: (region) => region.slice(0, 8),
  share: (region) => region.share(),
  deepFlush: (region) => region.deepFlush(),
  pageSize: (region) => region.pageSize(),
  persistAsync: (region) => region.persistAsync(0, 8),
  populateAsync: (region) => region.populateAsync(0, 8),
  claim: (region) => (region as unknown as Internal).claim('test', false),
  refuseInUse: (region) => (region as unknown as Internal).refuseInUse(),
  fastSectors: (region) => (region as unknown as Internal).fastSectors({ table: 0, entries: 2, data: 0, stride: 8 }),
};

/** The same methods with nothing to do. */
const EMPTY_CALLS: Readonly<Record<string, (region: Region) => unknown>> = {
  'view of 0 bytes': (region) => region.view(0, 0),
  'read of 0 bytes': (region) => region.read(0, Buffer.alloc(0)),
  'write of 0 bytes': (region) => region.write(0, Buffer.alloc(0)),
  'write of 0 bytes, persisted': (region) => region.write(0, Buffer.alloc(0), 'persist'),
  'fill of 0 bytes': (region) => region.fill(0, 0),
  'flush of 0 bytes': (region) => region.flush(0, 0),
  'persist of 0 bytes': (region) => region.persist(0, 0),
  'persistAll of nothing': (region) => region.persistAll([]),
  'crc32c of 0 bytes': (region) => region.crc32c(0, 0),
  'slice of 0 bytes': (region) => region.slice(0, 0),
  'writeAsync of 0 bytes': (region) => region.writeAsync(0, Buffer.alloc(0)),
  'readAsync of 0 bytes': (region) => region.readAsync(0, Buffer.alloc(0)),
  'persistAsync of 0 bytes': (region) => region.persistAsync(0, 0),
  'populateAsync of 0 bytes': (region) => region.populateAsync(0, 0),
  'fillAsync of 0 bytes': (region) => region.fillAsync(0, 0),
};

/** These say what the region was, and end what is ended. */
const ALLOWED = new Set([
  'constructor',
  'close',
  'size',
  'lineOffset',
  'path',
  'kind',
  'fileOffset',
  'extents',
  'device',
  'durability',
  'readOnly',
  'closed',
]);

async function settledCode(call: () => unknown): Promise<string | undefined> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

describe('A closed Region', () => {
  const file = onDisk();

  function closed(): Region {
    const region = newRegion(file('closed'), 4096);
    region.close();
    return region;
  }

  it('is tested here for every method of the class', () => {
    const classes = [Region.prototype, Object.getPrototypeOf(Region.prototype)];
    const methods = classes.flatMap(Object.getOwnPropertyNames).filter((name) => !ALLOWED.has(name));
    assert.deepEqual(methods.sort(), Object.keys(CALLS).sort());
  });

  for (const [name, call] of Object.entries({ ...CALLS, ...EMPTY_CALLS })) {
    it(`throws ERR_PMEM_CLOSED from ${name}, which succeeds on an open one`, async () => {
      const open = newRegion(file('open'), 4096);
      assert.equal(await settledCode(() => call(open)), undefined);
      open.close();
      assert.equal(await settledCode(() => call(open)), 'ERR_PMEM_CLOSED');
    });

    it(`throws ERR_PMEM_CLOSED from ${name} of its slices; so does a closed slice of an open region`, async () => {
      const region = newRegion(file('sliced'), 4096);
      const [first, second] = [region.slice(1024, 1024), region.slice(2048, 1024)];
      assert.equal(await settledCode(() => call(first)), undefined);
      first.close();
      assert.equal(await settledCode(() => call(first)), 'ERR_PMEM_CLOSED');
      assert.equal(await settledCode(() => call(second)), undefined);
      region.close();
      assert.equal(await settledCode(() => call(second)), 'ERR_PMEM_CLOSED');
    });
  }

  it('rejects from asynchronous methods and does not throw', () => {
    const region = closed();
    for (const name of ['writeAsync', 'readAsync', 'fillAsync']) {
      const result = CALLS[name]?.(region);
      assert(result instanceof Promise);
      result.catch(() => {});
    }
  });

  it('names the method and the path in the error', () => {
    const path = file('named');
    const region = newRegion(path, 4096);
    region.close();
    throwsCode(() => region.persist(0, 8), 'ERR_PMEM_CLOSED', {
      name: 'PmemError',
      message: new RegExp(`^persist: .*${path}`),
    });
    assert.throws(
      () => region.view(),
      (error: NodeJS.ErrnoException) => error.path === path,
    );
  });

  it('still tells what it was', () => {
    const region = closed();
    assert.equal(region.closed, true);
    assert.equal(region.size, 4096);
    assert.equal(region.kind, 'file');
    assert.equal(region.readOnly, false);
    assert.equal(region.durability.granularity, 'cache-line');
    assert.match(region.path, /closed$/);
  });

  it('can be closed again in every way', () => {
    const region = newRegion(file('twice'), 4096);
    const slice = region.slice(0, 64);
    slice.close();
    slice.close();
    assert.equal(region.closed, false);
    region.close();
    region.close();
    slice.close();
    region[Symbol.dispose]();
    assert.equal(region.closed, true);
    assert.equal(slice.closed, true);
  });

  it('closed again, does not close another region that has its handle', () => {
    const first = newRegion(file('first'), 4096);
    first.close();
    const second = newRegion(file('second'), 4096);
    first.close();
    second.fill(0, 8, 7);
    assert.equal(second.view(0, 1)[0], 7);
    assert.equal(
      codeOf(() => first.fill(0, 8)),
      'ERR_PMEM_CLOSED',
    );
    second.close();
  });

  it('leaves every Buffer made from it empty', () => {
    const region = newRegion(file('detached'), 65536);
    const whole = region.view();
    const part = region.view(100, 50);
    const sliced = region.slice(4096, 4096).view();
    const derived = whole.subarray(10, 20);
    const words = new DataView(whole.buffer, whole.byteOffset, 8);
    const copied = Buffer.from(whole.subarray(0, 4));
    whole.fill(3);
    region.close();
    for (const one of [whole, part, sliced, derived]) {
      assert.equal(one.length, 0);
      assert.equal(one[0], undefined);
      assert.equal(one.toString('hex'), '');
      assert.equal(one.buffer.byteLength, 0);
      one[0] = 9; // goes nowhere
      assert.equal(one[0], undefined);
    }
    assert.throws(() => words.getUint8(0), TypeError);
    assert.equal(copied.length, 4);
  });

  it('leaves Buffers that another region takes as empty arrays', () => {
    const region = newRegion(file('a'), 4096);
    const view = region.view();
    region.close();
    const other = newRegion(file('b'), 4096);
    other.fill(0, 8, 5);
    other.write(0, view);
    other.read(0, view);
    assert.equal(other.view(0, 1)[0], 5);
    other.close();
  });

  it('is closed by Symbol.dispose', () => {
    const region = newRegion(file('using'), 4096);
    assert.equal(region[Symbol.dispose].call(region), undefined);
    assert.equal(region.closed, true);
  });

  it('is forgotten by the cache of arrays', () => {
    const region = newRegion(file('remembered'), 4096);
    const source = region.view(0, 64);
    const other = newRegion(file('target'), 4096);
    for (let i = 0; i < 100; i++) other.write(0, source);
    region.close();
    other.fill(0, 4096, 1);
    other.write(0, source);
    assert.equal(other.view(0, 1)[0], 1);
    other.close();
  });
});
