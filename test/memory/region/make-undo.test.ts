/** What a failing open leaves: nothing of its own, and everything of others. */

import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { Region } from 'pmem';
import { DaxDevice } from 'pmem/devdax';
import { native } from '#dist/binding.js';
import { childValue, inChild, startChild } from '../../support/child.js';
import { throwsCode } from '../../support/errors.js';
import { buildRefusingShim } from '../../support/refusing-shim.js';
import { onDisk } from '../../support/temp.js';

const MIB = 2 ** 20;

/** Runs `meanwhile` when the addon is called by that name for the first time: before it does anything, or after. */
function during<Name extends 'map' | 'allocate' | 'renameNew'>(
  name: Name,
  meanwhile: () => void,
  run: () => void,
  when: 'before' | 'after' = 'before',
): void {
  const original = native[name] as (...args: unknown[]) => unknown;
  const restore = () => Object.assign(native, { [name]: original });
  Object.assign(native, {
    [name]: (...args: unknown[]) => {
      restore();
      if (when === 'before') meanwhile();
      const result = original(...args);
      if (when === 'after') meanwhile();
      return result;
    },
  });
  try {
    run();
  } finally {
    restore();
  }
}

/** Another one, without a lock, who has the region and stored into it what was acknowledged. */
function acknowledge(path: string): void {
  const region = Region.open(path, { create: true, size: MIB, shared: true });
  region.write(0, Buffer.from('acknowledged'), 'persist');
  region.close();
}

/** The same by a program that knows nothing of regions. */
function overwrite(path: string): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, 'acknowledged', 0);
  closeSync(fd);
}

function holds(path: string): string {
  return readFileSync(path).toString('latin1', 0, 12);
}

describe('A failing Region.open with create', () => {
  const file = onDisk();
  /** There is no address space for it: found out last. */
  const late = { create: true, size: MIB, shared: true, align: 2 ** 50 } as const;
  const fails = (path: string) => throwsCode(() => Region.open(path, late), 'ENOMEM');
  const inDirectory = (name: string) => {
    const directory = file(name);
    mkdirSync(directory);
    return join(directory, 'file');
  };
  /** In a directory of its own, to see that nothing else is left. */
  const alone = (name: string) => {
    const path = inDirectory(name);
    return { path, left: () => readdirSync(dirname(path)).filter((one) => one.startsWith('.pmem')) };
  };

  it('leaves the file that somebody else made meanwhile, with what it holds', () => {
    const { path, left } = alone('made');
    during(
      'map',
      () => acknowledge(path),
      () => fails(path),
    );
    assert.equal(holds(path), 'acknowledged');
    assert.deepEqual(left(), []);
  });

  it('leaves a file that was there and empty to whoever filled it meanwhile', () => {
    const path = file('filled');
    writeFileSync(path, '');
    during(
      'map',
      () => acknowledge(path),
      () => fails(path),
    );
    assert.equal(holds(path), 'acknowledged');
  });

  it('leaves an empty file empty, and a missing one missing', () => {
    const { path, left } = alone('empty');
    fails(path);
    assert.equal(existsSync(path), false);
    writeFileSync(path, '');
    fails(path);
    assert.equal(statSync(path).size, 0);
    assert.deepEqual(left(), []);
  });

  it('never makes a file shorter that somebody gave a greater size meanwhile', () => {
    const path = file('greater');
    writeFileSync(path, '');
    during(
      'map',
      () => writeFileSync(path, Buffer.alloc(2 * MIB, 0x77)),
      () => throwsCode(() => Region.open(path, { create: true, size: MIB, shared: true }), 'ERR_PMEM_SIZE_MISMATCH'),
    );
    assert(readFileSync(path).equals(Buffer.alloc(2 * MIB, 0x77)));
  });

  it('of a DAX device leaves an empty file to whoever filled it meanwhile', () => {
    const path = file('device');
    writeFileSync(path, '');
    const { probeSync } = native;
    // A file system that says it could give huge pages, and then does not.
    native.probeSync = () => 0;
    try {
      during(
        'map',
        () => overwrite(path),
        () =>
          throwsCode(
            () => DaxDevice.open(path, { create: true, size: 4 * MIB, align: '2MiB', shared: true }),
            'ERR_PMEM_FAULT_GRANULARITY',
          ),
      );
    } finally {
      native.probeSync = probeSync;
    }
    assert.equal(holds(path), 'acknowledged');
  });

  it('uses the file of another one that made the same file first', () => {
    const { path, left } = alone('second');
    let region: Region | undefined;
    during(
      'renameNew',
      () => acknowledge(path),
      () => {
        region = Region.open(path, { create: true, size: MIB, shared: true });
      },
    );
    assert.equal(region?.view(0, 12).toString(), 'acknowledged');
    region?.close();
    assert.deepEqual(left(), []);
  });

  it('of a DAX device uses the file of another one that made it first', () => {
    const { path, left } = alone('second-device');
    let device: DaxDevice | undefined;
    during(
      'renameNew',
      () => writeFileSync(path, Buffer.alloc(4 * MIB, 0x31)),
      () => {
        device = DaxDevice.open(path, { create: true, size: 4 * MIB, emulate: true });
      },
    );
    const region = device?.map();
    assert.equal(region?.view(0, 4).toString(), '1111');
    region?.close();
    device?.close();
    assert.deepEqual(left(), []);
  });

  it('leaves nothing when the process is killed before the file is complete', async () => {
    {
      const path = file('killed');
      const before = readdirSync(dirname(path)).sort();
      const { signal } = await inChild(
        async (target: string, binding: string) => {
          const { Region } = await import('pmem');
          const { native } = (await import(binding)) as typeof import('#dist/binding.js');
          const { allocate } = native;
          native.allocate = (...args) => {
            allocate(...args);
            process.kill(process.pid, 'SIGKILL');
          };
          Region.open(target, { create: true, size: 2 ** 20 });
        },
        [path, import.meta.resolve('#dist/binding.js')],
      );
      assert.equal(signal, 'SIGKILL');
      assert.deepEqual(readdirSync(dirname(path)).sort(), before);
    }
  });

  it('leaves nothing at the path when the process is killed before the file has its name', async () => {
    const path = file('killed-late');
    const { signal } = await inChild(
      async (target: string, binding: string) => {
        const { Region } = await import('pmem');
        const { native } = (await import(binding)) as typeof import('#dist/binding.js');
        native.renameNew = () => {
          process.kill(process.pid, 'SIGKILL');
        };
        Region.open(target, { create: true, size: 2 ** 20 });
      },
      [path, import.meta.resolve('#dist/binding.js')],
    );
    assert.equal(signal, 'SIGKILL');
    assert.equal(existsSync(path), false);
  });

  it('leaves no file and no descriptor when the worker ends in the middle', async () => {
    const path = file('worker');
    const before = readdirSync(dirname(path)).sort();
    const descriptors = await childValue(
      async (target: string, binding: string) => {
        const { readdirSync } = await import('node:fs');
        const { once } = (await import('node:events')).default;
        const { Worker } = await import('node:worker_threads');
        const start = (code: string) =>
          once(new Worker(`import('pmem').then(async ({ Region }) => { ${code} })`, { eval: true }), 'exit');
        await start('');
        const count = readdirSync('/proc/self/fd').length;
        const [code] = (await start(`
          const { native } = await import(${JSON.stringify(binding)});
          const { allocate } = native;
          native.allocate = (...args) => { allocate(...args); process.exit(7); };
          Region.open(${JSON.stringify(target)}, { create: true, size: 2 ** 20 });
        `)) as [number];
        return [code, readdirSync('/proc/self/fd').length - count];
      },
      [path, import.meta.resolve('#dist/binding.js')],
    );
    assert.deepEqual(descriptors, [7, 0]);
    assert.deepEqual(readdirSync(dirname(path)).sort(), before);
  });

  it('takes nothing from the file that another process made', async () => {
    const path = file('two');
    const other = startChild(
      async (target: string) => {
        const { Region } = await import('pmem');
        process.stdout.write('ready\n');
        process.stdin.on('data', () => {
          const region = Region.open(target, { create: true, size: 2 ** 20, shared: true });
          region.write(0, Buffer.from('acknowledged'), 'persist');
          process.stdout.write('acknowledged\n');
        });
      },
      [path],
    );
    assert.equal(await other.line(), 'ready');
    const failing = startChild(
      async (target: string, binding: string) => {
        const { Region } = await import('pmem');
        const { writeSync, readSync } = await import('node:fs');
        const { native } = (await import(binding)) as typeof import('#dist/binding.js');
        const { map } = native;
        native.map = (request) => {
          writeSync(1, 'mapping\n');
          readSync(0, Buffer.alloc(10));
          return map(request);
        };
        try {
          Region.open(target, { create: true, size: 2 ** 20, shared: true, align: 2 ** 50 });
        } catch (error) {
          writeSync(1, `${(error as NodeJS.ErrnoException).code}\n`);
        }
        process.exit(0);
      },
      [path, import.meta.resolve('#dist/binding.js')],
    );
    assert.equal(await failing.line(), 'mapping');
    other.tell('go');
    assert.equal(await other.line(), 'acknowledged');
    failing.tell('go');
    assert.equal(await failing.line(), 'ENOMEM');
    await failing.ended;
    assert.equal(holds(path), 'acknowledged');
    other.kill('SIGKILL');
    await other.ended;
  });

  it('lists a file that was made under its name in /proc/self/maps', () => {
    const path = file('listed');
    const region = Region.open(path, { create: true, size: MIB });
    const line = readFileSync('/proc/self/maps', 'utf8')
      .split('\n')
      .find((one) => one.includes(path));
    assert.match(String(line), new RegExp(`${path}$`));
    region.close();
  });

  describe('on a file system that cannot do all of it', () => {
    let shim = '';
    before(() => {
      shim = file('shim.so');
      buildRefusingShim(shim);
    });

    for (const refuse of ['tmpfile', 'rename', 'tmpfile,rename', 'rename,link', 'tmpfile,rename,link']) {
      it(`files are made, and others' left alone, without ${refuse.split(',').join(' and ')}`, async () => {
        const path = inDirectory(refuse.replaceAll(',', '-'));
        const [made, exclusive, second, device, failed] = await childValue(
          async (target: string) => {
            const { Region } = await import('pmem');
            const { DaxDevice } = await import('pmem/devdax');
            const { existsSync, statSync } = await import('node:fs');
            const codeOf = (run: () => unknown) => {
              try {
                run();
                return 'none';
              } catch (error) {
                return String((error as NodeJS.ErrnoException).code);
              }
            };
            const options = { create: true, size: 2 ** 20 };
            const region = Region.open(target, { ...options, exclusive: true });
            region.write(0, Buffer.from('here'), 'persist');
            region.close();
            const exclusive = codeOf(() => Region.open(target, { ...options, exclusive: true }));
            const second = Region.open(target, options).view(0, 4).toString();
            Region.open(`${target}-again`, options).close();
            DaxDevice.open(`${target}-device`, { create: true, size: '4MiB', emulate: true }).close();
            const code = codeOf(() => Region.open(`${target}-failed`, { ...options, align: 2 ** 50 }));
            return [
              statSync(target).mode & 0o777,
              exclusive,
              second,
              statSync(`${target}-device`).size,
              // At worst it is there, and empty.
              `${code} ${existsSync(`${target}-failed`) ? statSync(`${target}-failed`).size : 0}`,
            ];
          },
          [path],
          { env: { LD_PRELOAD: shim, SHIM_REFUSE: refuse } },
        );
        assert.deepEqual(
          { made, exclusive, second, device, failed },
          { made: 0o600, exclusive: 'EEXIST', second: 'here', device: 4 * MIB, failed: 'ENOMEM 0' },
        );
        assert.deepEqual(
          readdirSync(dirname(path)).filter((one) => one.startsWith('.pmem')),
          [],
        );
        rmSync(path);
      });
    }
  });
});
