/** Variables of the environment: which values apply, what is reported, and where they are ignored. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { cpuPaths } from 'pmem';
import { pmem } from '../../cli/run.js';
import { childValue, inChild } from '../../support/child.js';
import { Machine } from '../../support/machine.js';
import { ROOT } from '../../support/paths.js';
import { needsRoot } from '../../support/root.js';
import { needsPlainBuild } from '../../support/sanitizers.js';
import { onDisk, onTmpfs } from '../../support/temp.js';

const LINE = /^pmem: PMEM_ASSUME_PERSISTENT=1: flushed stores are taken for durable/;

describe('PMEM_ASSUME_PERSISTENT', () => {
  const file = onTmpfs();

  function existing(): string {
    const path = file('file');
    writeFileSync(path, Buffer.alloc(4096));
    return path;
  }

  it('applies when it is 1, not when it is empty, and is refused by name and value otherwise', async () => {
    const refused = ['0', 'false', 'true', 'no', '1 ', '01'];
    const told = await childValue(
      async (target: string, values: string[]) => {
        const { Region } = await import('pmem');
        return values.map((value) => {
          process.env['PMEM_ASSUME_PERSISTENT'] = value;
          try {
            return Region.open(target, { shared: true }).durability.assumed ? 'assumed' : 'volatile';
          } catch (error) {
            return `${(error as { code: string }).code}: ${(error as Error).message}`;
          }
        });
      },
      [existing(), ['1', '', ...refused]],
    );
    assert.deepEqual(told.slice(0, 2), ['assumed', 'volatile']);
    for (const [i, value] of refused.entries()) {
      const said = told[i + 2] ?? '';
      assert(said.startsWith(`ERR_PMEM_ENVIRONMENT: PMEM_ASSUME_PERSISTENT=${value} in the environment`), said);
    }
  });

  it('is not read where the option assumePersistent is given', async () => {
    const seen = await childValue(
      async (target: string) => {
        const { Region } = await import('pmem');
        return Region.open(target, { assumePersistent: false }).durability.assumed;
      },
      [existing()],
      { env: { PMEM_ASSUME_PERSISTENT: 'false' } },
    );
    assert.equal(seen, false);
  });

  it('is not read from Object.prototype', async () => {
    const seen = await childValue(
      async (target: string) => {
        const { Region } = await import('pmem');
        Object.assign(Object.prototype, { PMEM_ASSUME_PERSISTENT: '1' });
        return Region.open(target).durability.assumed;
      },
      [existing()],
    );
    assert.equal(seen, false);
  });

  it('is reported on stderr once for all threads and regions', async () => {
    const { stderr, value } = await inChild(
      async (target: string) => {
        const { Worker } = await import('node:worker_threads');
        const { Region } = await import('pmem');
        for (let i = 0; i < 3; i++) Region.open(target, { shared: true });
        const program = `import('pmem').then(({ Region }) => Region.open(${JSON.stringify(target)}, { shared: true }))`;
        const workers = [1, 2].map(() => new Worker(program, { eval: true }));
        const ends = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
        return (await Promise.all(ends)) as number[];
      },
      [existing()],
      { env: { PMEM_ASSUME_PERSISTENT: '1' } },
    );
    assert.deepEqual(value, [0, 0]);
    assert.match(stderr, LINE);
    assert.equal(stderr.split('\n').length, 2, stderr);
  });

  it('shows in the output of info and explain, in words and in JSON', async () => {
    const path = existing();
    for (const command of ['info', 'explain']) {
      const env = { PMEM_ASSUME_PERSISTENT: '1' };
      const [words, json] = await Promise.all([
        pmem([command, path], { env }),
        pmem([command, path, '--json'], { env }),
      ]);
      assert.match(words.stdout.replace(/\s+/g, ' '), /, assumed/);
      const { durability } = JSON.parse(json.stdout) as { durability: { assumed: boolean; below: string } };
      assert.deepEqual([durability.assumed, durability.below], [true, 'volatile']);
      for (const { stderr } of [words, json]) assert.match(stderr, LINE);
      const refused = await pmem([command, path], { env: { PMEM_ASSUME_PERSISTENT: 'false' } });
      assert.deepEqual([refused.code, refused.stdout], [1, '']);
      assert.match(refused.stderr, /PMEM_ASSUME_PERSISTENT=false in the environment/);
    }
  });

  it('shows in the list of devices, for those that the kernel does not call persistent', async () => {
    const root = file('machine');
    mkdirSync(root);
    const machine = new Machine(root);
    machine.onBus('dax', 'platform/hmem.0/dax0.0', 'device_dax', { size: 2 ** 30, align: 4096 });
    machine.onBus('dax', 'platform/hmem.0/dax0.1', 'kmem', { size: 2 ** 30, align: 4096 });
    machine.onBus('dax', 'x/ndbus0/region0/dax0.1/dax/dax1.0', 'device_dax', { size: 2 ** 30, align: 4096 });
    const list = (value: string) =>
      childValue(
        async (sys: string, proc: string) => {
          const { devicesOf } = await import('#dist/memory/devices.js');
          return devicesOf({ sys, proc }).map(({ name, assumed }) => `${name} ${assumed}`);
        },
        [machine.host.sys, machine.host.proc],
        { env: { PMEM_ASSUME_PERSISTENT: value } },
      );
    assert.deepEqual(await list('1'), ['dax0.0 true', 'dax0.1 false', 'dax1.0 false']);
    assert.deepEqual(await list(''), ['dax0.0 false', 'dax0.1 false', 'dax1.0 false']);
  });
});

describe('a process with more rights than the user who started it (AT_SECURE)', () => {
  const file = onDisk();
  const memory = onTmpfs();

  it('ignores the variables of the environment', function () {
    needsRoot(this);
    needsPlainBuild(this);
    // A copy of Node.js that runs with another group's rights.
    const node = file('node');
    copyFileSync(process.execPath, node);
    chownSync(node, 0, 1);
    chmodSync(node, 0o2755);
    const path = memory('file');
    writeFileSync(path, Buffer.alloc(4096));
    const program = `
      const { readFileSync } = await import('node:fs');
      const { Region, cpuPaths } = await import('pmem');
      const auxv = readFileSync('/proc/self/auxv');
      const words = Array.from({ length: auxv.length / 16 }, (_, i) => [auxv.readBigUInt64LE(16 * i), auxv.readBigUInt64LE(16 * i + 8)]);
      const [, secure] = words.find(([type]) => type === 23n);
      const { assumed, volatile } = Region.open(${JSON.stringify(path)}).durability;
      console.log(JSON.stringify({ secure: Number(secure), assumed, volatile, cpu: cpuPaths() }));`;
    const env = {
      PMEM_ASSUME_PERSISTENT: '1',
      PMEM_FLUSH: 'none of these',
      PMEM_COPY: 'none of these',
      PMEM_CRC32C: 'none of these',
      PMEM_NONTEMPORAL_THRESHOLD: '12345',
    };
    const { stdout, stderr } = spawnSync(node, ['--input-type=module', '--eval', program], {
      cwd: ROOT,
      env,
      encoding: 'utf8',
    });
    assert.equal(stderr, '');
    assert.deepEqual(JSON.parse(stdout), { secure: 1, assumed: false, volatile: true, cpu: cpuPaths() });
  });
});
