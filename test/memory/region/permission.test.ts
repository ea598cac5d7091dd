import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { childValue } from '../../support/child.js';
import { NOBODY, needsRoot } from '../../support/root.js';
import { onDisk } from '../../support/temp.js';

type Options = Record<string, string | number | boolean>;

/** What opening the path comes to for a user without rights. */
function asNobody(path: string, options: Options): Promise<{ code: string; message: string }> {
  return childValue(
    async (target: string, wanted: Options, user: number) => {
      // Loaded while this may be read: the package can lie where nobody may look.
      const { Region } = await import('pmem');
      process.setgroups?.([]);
      process.setgid?.(user);
      process.setuid?.(user);
      try {
        Region.open(target, wanted).close();
        return { code: 'opened', message: '' };
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        return { code: String(code), message };
      }
    },
    [path, options, NOBODY],
  );
}

describe('Without permission', () => {
  const file = onDisk();
  let directory = '';
  before(function () {
    needsRoot(this);
    directory = file('home');
    mkdirSync(directory);
    chmodSync(directory, 0o755);
    chmodSync(`${directory}/..`, 0o755);
  });

  function make(name: string, mode: number): string {
    const path = `${directory}/${name}`;
    writeFileSync(path, Buffer.alloc(4096));
    chmodSync(path, mode);
    return path;
  }

  it('a file that may not be read is EACCES', async () => {
    const path = make('secret', 0o600);
    assert.equal((await asNobody(path, {})).code, 'EACCES');
    assert.equal((await asNobody(path, { readOnly: true })).code, 'EACCES');
  });

  it('a file that may only be read can be opened with readOnly, and the message says so', async () => {
    const path = make('readable', 0o644);
    const { code, message } = await asNobody(path, {});
    assert.equal(code, 'EACCES');
    assert.match(message, /readOnly: true/);
    assert.equal((await asNobody(path, { readOnly: true })).code, 'opened');
  });

  it('a file that may only be written cannot be mapped', async () => {
    const path = make('write-only', 0o622);
    assert.equal((await asNobody(path, {})).code, 'EACCES');
  });

  it('a directory that may not be written is EACCES for create', async () => {
    assert.equal((await asNobody(`${directory}/new`, { create: true, size: 4096 })).code, 'EACCES');
  });

  it('create in a directory that may be written and not read is EACCES, and leaves nothing behind', async () => {
    const drop = `${directory}/drop`;
    mkdirSync(drop);
    chmodSync(drop, 0o733);
    const { code, message } = await asNobody(`${drop}/new`, { create: true, size: 4096 });
    assert.equal(code, 'EACCES');
    assert.match(message, /drop'\. .*directory, which must be readable/);
    assert.deepEqual(readdirSync(drop), []);
  });

  it('create on an empty file in a directory that may not be read is EACCES, and leaves it empty', async () => {
    const drop = `${directory}/drop-with-file`;
    mkdirSync(drop);
    writeFileSync(`${drop}/empty`, '');
    chmodSync(`${drop}/empty`, 0o666);
    chmodSync(drop, 0o711);
    assert.equal((await asNobody(`${drop}/empty`, { create: true, size: 4096 })).code, 'EACCES');
    assert.equal(statSync(`${drop}/empty`).size, 0);
  });

  it('physical memory is EACCES or not there', async () => {
    assert.match((await asNobody('/dev/mem', { length: 4096 })).code, /^(EACCES|ENOENT|EPERM)$/);
  });

  it('two readers without the right to write share the file', async () => {
    const path = make('shared-readable', 0o444);
    const results = await Promise.all([asNobody(path, { readOnly: true }), asNobody(path, { readOnly: true })]);
    assert.deepEqual(
      results.map(({ code }) => code),
      ['opened', 'opened'],
    );
  });
});
