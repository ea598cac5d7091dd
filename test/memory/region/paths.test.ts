import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { explain, Region, type RegionOptions } from 'pmem';
import { throwsCode } from '../../support/errors.js';
import { onDisk } from '../../support/temp.js';

describe('Region.open refuses', () => {
  const file = onDisk();

  /** As they are, for writing, reading, and to be created: never anything but the refusal, and never waiting. */
  function refused(path: string, code: string, message?: RegExp): void {
    const ways: RegionOptions[] = [{}, { readOnly: true }, { create: true, size: 4096 }];
    for (const options of ways) {
      throwsCode(() => Region.open(path, options), code, message === undefined ? {} : { message });
    }
  }

  it('a directory', () => {
    const path = file('directory');
    mkdirSync(path);
    refused(path, 'EISDIR');
    refused(`${path}/`, 'EISDIR');
    assert.deepEqual(readdirSync(path), []);
  });

  it('a FIFO, without waiting for its other end', () => {
    const path = file('fifo');
    execFileSync('mkfifo', [path]);
    refused(path, 'ENODEV', /neither a file nor a device/);
  });

  it('a socket', async () => {
    const path = file('socket');
    const server = await new Promise<Server>((resolve) => {
      const made = createServer().listen(path, () => resolve(made));
    });
    refused(path, 'ENODEV', /neither a file nor a device/);
    await new Promise((resolve) => server.close(resolve));
  });

  for (const device of ['/dev/null', '/dev/zero', '/dev/full', '/dev/tty']) {
    it(device, () => {
      const expected = device === '/dev/tty' ? /^(ENODEV|ENXIO)$/ : /^ENODEV$/;
      for (const options of [{}, { readOnly: true }, { create: true, size: 4096 }]) {
        assert.throws(
          () => Region.open(device, options),
          (error: NodeJS.ErrnoException) => expected.test(String(error.code)),
        );
      }
    });
  }

  it('a missing file, with the way out in the message', () => {
    const path = file('missing');
    for (const options of [{}, { readOnly: true }, { size: 4096 }]) {
      throwsCode(() => Region.open(path, options), 'ENOENT', { message: /create: true and a size/ });
    }
    throwsCode(() => explain(path), 'ENOENT');
  });

  it('a file used as a directory', () => {
    const path = file('file');
    writeFileSync(path, 'x');
    refused(`${path}/below`, 'ENOTDIR');
  });

  it('an empty file', () => {
    const path = file('empty');
    writeFileSync(path, '');
    for (const options of [{}, { readOnly: true }]) {
      throwsCode(() => Region.open(path, options), 'EINVAL', { message: /empty.*create: true/ });
    }
  });

  it('links: dangling, circular, and one that leads to a file', () => {
    const [dangling, circle, good, target] = [file('dangling'), file('circle'), file('good'), file('target')];
    symlinkSync(file('nothing'), dangling);
    throwsCode(() => Region.open(dangling), 'ENOENT');
    symlinkSync(circle, circle);
    refused(circle, 'ELOOP');
    writeFileSync(target, Buffer.alloc(4096));
    symlinkSync(target, good);
    Region.open(good).close();
  });

  it('a name that is too long', () => refused(`/${'x'.repeat(300)}`, 'ENAMETOOLONG'));

  it('files of proc and sysfs', () => {
    for (const path of [
      '/proc/self/maps',
      '/proc/version',
      '/sys/kernel/mm/transparent_hugepage/enabled',
      '/sys/power/state',
    ]) {
      assert.throws(
        () => Region.open(path, { readOnly: true }),
        (error: NodeJS.ErrnoException) => typeof error.code === 'string',
        path,
      );
    }
  });

  it('a path, and gives back the descriptors', () => {
    const count = () => readdirSync('/proc/self/fd').length;
    const before = count();
    for (let i = 0; i < 20; i++) {
      for (const path of ['/dev/null', '/', file('nowhere')])
        throwsCode(() => Region.open(path), path === '/' ? 'EISDIR' : path === '/dev/null' ? 'ENODEV' : 'ENOENT');
    }
    // Fewer where something of another test was collected meanwhile.
    assert(count() <= before, `${count()} descriptors, ${before} before`);
  });
});
