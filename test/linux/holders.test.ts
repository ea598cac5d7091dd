/** Processes that have a file open, mapped or locked. */

import assert from 'node:assert/strict';
import { mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { holders } from '#dist/linux/holders.js';
import { Machine } from '../support/machine.js';
import { onDisk } from '../support/temp.js';

describe('holders of a lock', () => {
  const file = onDisk();
  let machine: Machine;
  beforeEach(() => {
    const root = file('machine');
    mkdirSync(root);
    machine = new Machine(root);
  });

  function process_(pid: number, command: string, ...open: string[]): void {
    const directory = join(machine.host.proc, String(pid));
    mkdirSync(join(directory, 'fd'), { recursive: true });
    writeFileSync(join(directory, 'cmdline'), command);
    writeFileSync(join(directory, 'comm'), `name-${pid}\n`);
    for (const [fd, path] of open.entries()) symlinkSync(path, join(directory, 'fd', String(fd)));
  }

  it('are the processes that have the file open', () => {
    const path = file('held');
    writeFileSync(path, 'x');
    const { dev, ino } = statSync(path, { bigint: true });
    process_(100, 'node\0server.js\0', '/dev/null', path);
    process_(101, 'cat\0', '/dev/null');
    process_(102, `long\0${'x'.repeat(500)}`, path);
    process_(103, 'a\nb\0\0', path, path, '/nowhere');
    process_(process.pid, 'me', path);
    mkdirSync(join(machine.host.proc, '104')); // gone, or not ours to look at
    mkdirSync(join(machine.host.proc, 'bus'));
    const found = holders({ dev, ino }, machine.host);
    assert.deepEqual(
      found.sort((a, b) => a.pid - b.pid),
      [
        { pid: 100, name: 'name-100', command: 'node server.js' },
        { pid: 102, name: 'name-102', command: `long ${'x'.repeat(55)}…` },
        { pid: 103, name: 'name-103', command: 'a b' },
      ],
    );
    assert.deepEqual(holders({ dev, ino: ino + 1n }, machine.host), []);
  });
});
