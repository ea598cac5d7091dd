/** What a Region is as an object of JavaScript: made by factories, printed, disposed of, and known to be unchanged. */

import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { Region } from 'pmem';
import { childValue } from '../../support/child.js';
import { newRegion } from '../../support/regions.js';
import { onDisk } from '../../support/temp.js';

const MIB = 2 ** 20;

describe('Region', () => {
  const file = onDisk();

  it('has a private constructor in the types', () => {
    // @ts-expect-error
    assert.throws(() => new Region(), { code: 'ERR_INVALID_ARG_VALUE' });
  });

  it('is printed in one line: path, place, size, durability and state', () => {
    const region = newRegion(file('shown'), 3 * MIB);
    assert.equal(inspect(region), `Region { ${region.path} at 0: 3 MiB, cache-line }`);
    assert.match(inspect({ part: region.slice(4096, 1024) }), /part: Region \{ .*shown at 4096: 1 KiB, cache-line \}/);
    region.close();
    assert.match(inspect(region), /, closed \}$/);
    using reading = Region.open(region.path, { readOnly: true, assumePersistent: true });
    assert.match(inspect(reading), /, read-only \}$/);
    const odd = newRegion(file('a\n\x1b[31mb'), 4096);
    for (const character of ['\n', '\x1b']) assert(!inspect(odd).includes(character));
    odd.close();
  });

  describe('[Symbol.asyncDispose]', () => {
    it('closes once the asynchronous calls on the region and its slices are done', async () => {
      const region = newRegion(file('waits'), 40 * MIB);
      const slice = region.slice(20 * MIB);
      const jobs = [
        region.fillAsync(0, 20 * MIB, 1),
        slice.fillAsync(0, 20 * MIB, 2),
        region.writeAsync(0, Buffer.alloc(8)),
      ];
      const disposed = region[Symbol.asyncDispose]();
      assert.equal(region.closed, false);
      // Also those that begin while it waits.
      jobs.push(region.persistAsync(0, 40 * MIB));
      await disposed;
      assert.equal(region.closed, true);
      assert.deepEqual(
        (await Promise.allSettled(jobs)).map(({ status }) => status),
        jobs.map(() => 'fulfilled'),
      );
      await region[Symbol.asyncDispose]();
    });

    it('of a slice waits for the slice alone, and leaves the region open', async () => {
      using region = newRegion(file('slice'), 40 * MIB);
      const slice = region.slice(0, 16 * MIB);
      const job = slice.fillAsync(0, slice.size, 7);
      await slice[Symbol.asyncDispose]();
      await job;
      assert.equal(slice.closed, true);
      assert.equal(region.view()[16 * MIB - 1], 7);
    });

    it('of a slice leaves slices of it open', async () => {
      const region = newRegion(file('nested'), 4096);
      const slice = region.slice(0, 1024);
      const part = slice.slice(0, 512);
      await slice[Symbol.asyncDispose]();
      part.fill(0, 512, 3);
      assert.equal(region.view()[511], 3);
      region.close();
      assert.equal(part.closed, true);
    });

    it('leaves no call under way, whenever one begins while it waits', async () => {
      for (let turns = 0; turns < 16; turns++) {
        const region = newRegion(file(`turn-${turns}`), 4096);
        let underWay = false;
        const user = async () => {
          await region.persistAsync(0, 4096);
          for (let i = 0; i < turns; i++) await undefined;
          const wasOpen = !region.closed;
          underWay = wasOpen;
          const [{ status } = { status: 'rejected' }] = await Promise.allSettled([region.fillAsync(0, 4096, 1)]);
          underWay = false;
          assert.equal(status, wasOpen ? 'fulfilled' : 'rejected');
        };
        const used = user();
        await region[Symbol.asyncDispose]();
        assert.equal(underWay, false, `after ${turns} turns`);
        await used;
      }
    });

    it('closes at once where no call is under way, and after calls that failed', async () => {
      const region = newRegion(file('idle'), 4096);
      await assert.rejects(region.fillAsync(0, 4097), { code: 'ERR_OUT_OF_RANGE' });
      await region[Symbol.asyncDispose]();
      assert.equal(region.closed, true);
    });
  });

  it('knows whether its calls are those of the package, whatever users did to its classes', async () => {
    const seen = await childValue(
      async (path: string) => {
        const { Region: Class } = await import('pmem');
        const internal = Class as unknown as { runsOwnCode(memory: object): boolean };
        const region = Class.open(path, { create: true, size: 4096, assumePersistent: true });
        const asks = () => internal.runsOwnCode(region);
        const base = Object.getPrototypeOf(Class.prototype) as object;
        const during = (change: () => void, undo: () => void) => {
          change();
          const answer = asks();
          undo();
          return answer;
        };
        const write = Object.getOwnPropertyDescriptor(base, 'write') as PropertyDescriptor;
        const answers = {
          region: asks(),
          slice: internal.runsOwnCode(region.slice(0, 8)),
          other: internal.runsOwnCode({}),
          derived: internal.runsOwnCode(Object.create(region)),
          'own property': during(
            () => Object.assign(region, { write: () => {} }),
            () => Reflect.deleteProperty(region, 'write'),
          ),
          replaced: during(
            () => Object.defineProperty(base, 'write', { ...write, value: () => {} }),
            () => Object.defineProperty(base, 'write', write),
          ),
          shadowed: during(
            () => Object.assign(Class.prototype, { write: () => {} }),
            () => Reflect.deleteProperty(Class.prototype, 'write'),
          ),
          'another parent': during(
            () => Object.setPrototypeOf(Class.prototype, Object.create(base)),
            () => Object.setPrototypeOf(Class.prototype, base),
          ),
          'as it was': asks(),
        };
        region.close();
        return answers;
      },
      [file('own')],
    );
    assert.deepEqual(seen, {
      region: true,
      slice: true,
      other: false,
      derived: false,
      'own property': false,
      replaced: false,
      shadowed: false,
      'another parent': false,
      'as it was': true,
    });
  });
});
