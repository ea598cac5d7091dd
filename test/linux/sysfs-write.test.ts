import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { writeAttribute } from '#dist/linux/sysfs/write.js';
import { childValue } from '../support/child.js';
import { throwsCode } from '../support/errors.js';
import { NOBODY, needsRoot } from '../support/root.js';
import { onTmpfs } from '../support/temp.js';

describe('writeAttribute', () => {
  const file = onTmpfs();

  it('writes the value and nothing else', () => {
    const path = file('size');
    writeFileSync(path, '');
    writeAttribute(dirname(path), basename(path), '4096');
    assert.equal(readFileSync(path, 'utf8'), '4096');
  });

  it('creates no file where there is no attribute', () =>
    throwsCode(() => writeAttribute('/sys/kernel', 'no-such-attribute', '1'), 'ENOENT', {
      message: /no-such-attribute'\. The kernel does not offer it/,
    }));

  it('throws the kernel’s errno and names the attribute', function () {
    needsRoot(this);
    // A file of /proc that takes numbers only, as an attribute would.
    assert.throws(
      () => writeAttribute('/proc/self', 'oom_score_adj', 'many'),
      (error: NodeJS.ErrnoException) =>
        error.code === 'EINVAL' &&
        error.errno === 22 &&
        error.syscall === 'write' &&
        error.path === '/proc/self/oom_score_adj',
    );
  });

  it('says that only root may write the attribute', async function () {
    needsRoot(this);
    const directory = file('device');
    mkdirSync(directory);
    writeFileSync(`${directory}/create`, '');
    chmodSync(`${directory}/create`, 0o600);
    chmodSync(dirname(directory), 0o755);
    const message = await childValue(
      async (home: string, nobody: number, binding: string) => {
        const { writeAttribute } = (await import(binding)) as typeof import('#dist/linux/sysfs/write.js');
        process.setgid?.(nobody);
        process.setuid?.(nobody);
        try {
          writeAttribute(home, 'create', '1');
          return '';
        } catch (error) {
          return `${(error as Error).message}`;
        }
      },
      [directory, NOBODY, import.meta.resolve('#dist/linux/sysfs/write.js')],
    );
    assert.match(message, /^EACCES: .*create'\. Only root may write it/);
  });
});
