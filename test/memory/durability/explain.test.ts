import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { explain, Region } from 'pmem';
import { childValue } from '../../support/child.js';
import { throwsCode } from '../../support/errors.js';
import { onDisk, onTmpfs } from '../../support/temp.js';

describe('explain', () => {
  describe('on a disk', () => {
    const file = onDisk();

    it('finds for a file what opening it finds', () => {
      const path = file('plain');
      writeFileSync(path, Buffer.alloc(8192));
      const told = explain(path);
      const region = Region.open(path);
      assert.deepEqual(told.durability, region.durability);
      assert.equal(told.kind, 'file');
      assert.equal(told.size, 8192);
      assert.equal(told.alignment, 4096);
      assert.equal(told.durability.granularity, 'page');
      assert(told.obstacles.length > 0);
      assert(told.durability.reason.includes(told.obstacles[0]?.cause ?? '?'));
      region.close();
    });

    it('finds for a directory and an empty file what a region there would have', () => {
      const [directory, empty] = [file('directory'), file('empty')];
      mkdirSync(directory);
      writeFileSync(empty, '');
      assert.equal(explain(directory).kind, 'directory');
      assert.deepEqual(explain(directory).durability.granularity, explain(empty).durability.granularity);
      assert.deepEqual(readdirSync(directory), []);
    });

    it('changes nothing and takes no lock', () => {
      const path = file('untouched');
      writeFileSync(path, Buffer.alloc(4096, 1));
      const before = statSync(path);
      const region = Region.open(path);
      explain(path);
      region.close();
      const after = statSync(path);
      assert.deepEqual([after.mtimeMs, after.size, after.ctimeMs], [before.mtimeMs, before.size, before.ctimeMs]);
    });

    it('leaves no descriptor open, whatever the path', () => {
      const count = () => readdirSync('/proc/self/fd').length;
      const before = count();
      for (let i = 0; i < 10; i++) {
        explain(dirname(file('x')));
        throwsCode(() => explain('/dev/null'), 'ENODEV');
        throwsCode(() => explain('/nowhere'), 'ENOENT');
      }
      // Fewer where something of another test was collected meanwhile.
      assert(count() <= before, `${count()} descriptors, ${before} before`);
    });

    it('finds the causes with which Region.open refuses a finer granularity', () => {
      const path = file('refused');
      writeFileSync(path, Buffer.alloc(4096));
      const [obstacle] = explain(path).obstacles;
      assert(obstacle !== undefined);
      for (const granularity of ['cache-line', 'byte'] as const) {
        assert.throws(
          () => Region.open(path, { granularity }),
          (error: NodeJS.ErrnoException) =>
            error.code === 'ERR_PMEM_GRANULARITY' &&
            error.message.includes(obstacle.cause) &&
            error.message.includes(`Way out: ${obstacle.remedy}`),
        );
      }
      Region.open(path, { granularity: 'page' }).close();
      const assumed = Region.open(path, { granularity: 'cache-line', assumePersistent: true });
      assert.equal(assumed.durability.assumed, true);
      assumed.close();
      throwsCode(() => Region.open(path, { granularity: 'byte', assumePersistent: true }), 'ERR_PMEM_GRANULARITY');
    });

    it('applies PMEM_ASSUME_PERSISTENT, which the option overrides', async () => {
      const path = file('environment');
      writeFileSync(path, Buffer.alloc(4096));
      for (const [value, assumed] of [
        ['1', true],
        ['', false],
      ] as const) {
        const seen = await childValue(
          async (target: string) => {
            const { explain, Region } = await import('pmem');
            return [
              explain(target).durability.assumed,
              Region.open(target, { shared: true }).durability.assumed,
              Region.open(target, { assumePersistent: false }).durability.assumed,
              Region.open(target, { assumePersistent: true }).durability.assumed,
            ];
          },
          [path],
          { env: { PMEM_ASSUME_PERSISTENT: value } },
        );
        assert.deepEqual(seen, [assumed, assumed, false, true], `'${value}'`);
      }
    });
  });

  describe('on tmpfs', () => {
    const file = onTmpfs();

    it('finds volatile memory, on which every persist throws', async () => {
      const region = Region.open(file('volatile'), { create: true, size: 8192 });
      assert.equal(region.durability.volatile, true);
      // Stores alone are what they are anywhere.
      region.write(0, Buffer.from('abc'));
      region.fill(3, 1, 0x64);
      region.store64(8, 1n);
      assert.equal(region.view(0, 4).toString(), 'abcd');
      assert.equal(region.crc32c(0, 4) !== 0, true);
      const attempts: (() => unknown)[] = [
        () => region.persist(0, 8),
        () => region.persist(0, 0),
        () => region.flush(0, 8),
        () => region.drain(),
        () => region.persistAll([{ offset: 0, length: 8 }]),
        () => region.persistAll([]),
        () => region.write(0, Buffer.from('xyz'), 'persist'),
        () => region.write(0, Buffer.from('xyz'), 'flush'),
        () => region.fill(0, 4, 1, 'persist'),
      ];
      for (const attempt of attempts) {
        throwsCode(attempt, 'ERR_PMEM_VOLATILE', { message: /assumePersistent: true/ });
      }
      await assert.rejects(region.fillAsync(0, 4, 1, 'persist'), { code: 'ERR_PMEM_VOLATILE' });
      await assert.rejects(region.persistAsync(0, 4), { code: 'ERR_PMEM_VOLATILE' });
      // Refused before a byte is touched.
      assert.equal(region.view(0, 4).toString(), 'abcd');
      assert.equal(region.deepFlush(), 'unavailable');
      region.close();
    });

    it('names the file system and the way out', () => {
      const path = file('told');
      writeFileSync(path, 'x');
      const { obstacles, durability, fileSystem } = explain(path);
      assert.deepEqual(
        obstacles.map(({ code }) => code),
        ['volatile-file-system'],
      );
      assert.equal(fileSystem?.type, 'tmpfs');
      assert.equal(durability.volatile, true);
      throwsCode(() => Region.open(path, { granularity: 'cache-line' }), 'ERR_PMEM_GRANULARITY', {
        message: /no durability/,
      });
    });

    it('finds memory that behaves like persistent memory where that is assumed', () => {
      const region = Region.open(file('assumed'), { create: true, size: 8192, assumePersistent: true });
      assert.deepEqual(
        [region.durability.granularity, region.durability.assumed, region.durability.volatile],
        ['cache-line', true, false],
      );
      region.write(0, Buffer.from('x'), 'persist');
      region.persistAll([{ offset: 0, length: 1 }]);
      assert.equal(region.deepFlush(), 'unavailable');
      region.close();
    });
  });
});
