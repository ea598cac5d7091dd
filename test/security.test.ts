/** The unit in SECURITY.md, as systemd reads it. */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from './support/paths.js';
import { onDisk } from './support/temp.js';
import { needsTool, runTool, succeedTool } from './support/tools.js';

describe('SECURITY.md', () => {
  const file = onDisk();

  function unit(): string {
    const text = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8');
    const [, found] = /<!-- unit: pmem-service\.service -->\s*```ini\n([\s\S]*?)```/.exec(text) ?? [];
    assert(found !== undefined, 'there is no unit');
    return found;
  }

  it('has a systemd unit that systemd accepts without a complaint', function () {
    needsTool(this, 'systemd-analyze');
    const path = join(dirname(file('x')), 'pmem-service.service');
    writeFileSync(path, unit().replace('/usr/bin/node', process.execPath));
    const { status, stdout, stderr } = runTool('systemd-analyze', ['verify', '--man=no', path]);
    assert.equal(
      `${stdout}${stderr}`
        .split('\n')
        .filter((line) => line.includes('pmem-service'))
        .join('\n'),
      '',
    );
    assert.equal(status, 0);
  });

  it('has a systemd unit that allows every system call of the addon', function () {
    needsTool(this, 'systemd-analyze');
    const allowed = new Set<string>();
    const add = (set: string) => {
      const [, ...names] = succeedTool('systemd-analyze', ['syscall-filter', set]).split('\n');
      for (const name of names.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'))) {
        if (name.startsWith('@')) add(name);
        else allowed.add(name);
      }
    };
    const [, filter = ''] = /^SystemCallFilter=(.*)$/m.exec(unit()) ?? [];
    for (const name of filter.split(' ')) {
      if (name.startsWith('@')) add(name);
      else allowed.add(name);
    }
    const needed =
      'mmap munmap mremap msync madvise mincore mbind move_pages fallocate fcntl pwrite64 rt_sigaction rt_sigprocmask';
    assert.deepEqual(
      needed.split(' ').filter((name) => !allowed.has(name)),
      [],
    );
  });
});
