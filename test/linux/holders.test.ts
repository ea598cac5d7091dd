/** Processes that have a file open, mapped or locked. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileUsers, holders } from '#dist/linux/holders.js';
import { HOST } from '#dist/linux/host.js';
import { startChild } from '../support/child.js';
import { Machine } from '../support/machine.js';
import { needsRoot } from '../support/root.js';
import { onDisk } from '../support/temp.js';

async function holding(path: string, mapped: boolean, check: (pid: number) => void): Promise<void> {
  const child = startChild(
    async (target: string, map: boolean) => {
      const { openSync } = await import('node:fs');
      const { Region } = await import('pmem');
      const held = map ? Region.open(target, { shared: true }) : openSync(target, 'r');
      process.stdout.write(`${typeof held}\n`);
      process.stdin.on('data', () => held);
    },
    [path, mapped],
  );
  await child.line();
  check(child.pid);
  child.kill('SIGKILL');
  await child.ended;
}

describe('holders', () => {
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

  it('are the other processes that have the file open', () => {
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

describe('fileUsers', () => {
  const file = onDisk();
  let path = '';
  beforeEach(() => {
    path = file('device');
    writeFileSync(path, Buffer.alloc(4096));
  });

  function pids(at: string, host = HOST): number[] {
    return fileUsers(at, host).map(({ pid }) => pid);
  }

  it('finds none of a file that nobody has open, of a missing file, and without /proc', () => {
    assert.deepEqual(fileUsers(path), []);
    assert.deepEqual(fileUsers(file('missing')), []);
    const fd = openSync(path, 'r');
    assert.deepEqual(fileUsers(path, { sys: '/sys', proc: file('no-proc') }), []);
    closeSync(fd);
  });

  it('counts the descriptors of this process', () => {
    const own = [openSync(path, 'r'), openSync(path, 'r+')];
    assert.deepEqual(fileUsers(path), [{ pid: process.pid, isSelf: true, descriptors: 2, isMapped: false }]);
    for (const fd of own) closeSync(fd);
    assert.deepEqual(fileUsers(path), []);
  });

  it('knows this process by /proc/self, whatever its number there', () => {
    const proc = file('proc');
    for (const pid of ['4711', String(process.pid)]) {
      mkdirSync(join(proc, pid, 'fd'), { recursive: true });
      symlinkSync(path, join(proc, pid, 'fd', '3'));
    }
    symlinkSync('4711', join(proc, 'self'));
    const self = fileUsers(path, { sys: '/sys', proc }).filter(({ isSelf }) => isSelf);
    assert.deepEqual(
      self.map(({ pid }) => pid),
      [4711],
    );
  });

  it('finds a process that has the device open by another node', async function () {
    needsRoot(this);
    const [one, two, other] = [file('one'), file('two'), file('other')];
    // /dev/full, which nobody has open.
    for (const node of [one, two]) execFileSync('mknod', [node, 'c', '1', '7']);
    execFileSync('mknod', [other, 'c', '1', '12']);
    await holding(two, false, (pid) => {
      assert.deepEqual(pids(one), [pid]);
      assert(!pids(other).includes(pid));
    });
    assert.deepEqual(pids(one), []);
  });

  it('finds a process that maps the file', async () => {
    await holding(path, true, (pid) => {
      const [user] = fileUsers(path);
      assert.deepEqual([user?.pid, user?.isMapped], [pid, true]);
    });
    assert.deepEqual(pids(path), []);
  });
});
