import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { edit, makeImage } from '../support/images.js';
import { onDisk } from '../support/temp.js';
import { pmem } from './run.js';

describe('pmem btt', () => {
  const file = onDisk();

  function image(size = 20 * 2 ** 20): string {
    const path = file('btt.img');
    makeImage(path, size);
    return path;
  }

  it('format wants --yes, and shows what it made', async () => {
    const path = image();
    const asked = await pmem(['btt', 'format', path]);
    assert.equal(asked.code, 1);
    assert.match(asked.stderr, /ERR_PMEM_NOT_CONFIRMED.*20 MiB, would be formatted.*--yes/);
    assert.match((await pmem(['btt', 'info', path])).stderr, /ERR_PMEM_BTT_NOT_FOUND/);

    const uuid = randomUUID();
    const words = ['-b', '512', '--layout', '2.0', '--nfree', '16', '--uuid', uuid, '--yes', '--json'];
    const { code, stdout, stderr } = await pmem(['btt', 'format', path, ...words]);
    assert.equal(stderr, '');
    assert.equal(code, 0);
    const made = JSON.parse(stdout);
    assert.deepEqual([made.version, made.uuid, made.sectorSize, made.arenas[0].nfree], ['2.0', uuid, 512, 16]);
    const shown = await pmem(['btt', 'info', path, '--json']);
    assert.equal(shown.stdout, stdout);
    const text = await pmem(['btt', 'info', path]);
    assert.match(text.stdout, /version\s+2\.0 \(UEFI/);
    assert.match(text.stdout, new RegExp(`UUID\\s+${uuid}`));
    const checked = await pmem(['btt', 'check', path]);
    assert.equal(checked.code, 0);
    assert.match(checked.stdout, /BTT 2\.0, 1 arena: clean/);
  });

  it('format wants --force where there is data', async () => {
    const path = image();
    assert.equal((await pmem(['btt', 'format', path, '--yes'])).code, 0);
    const again = await pmem(['btt', 'format', path, '--yes']);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /ERR_PMEM_IN_USE.*BTT \(version 1\.1\); --force destroys it/);
    const half = await pmem(['btt', 'format', path, '--force']);
    assert.equal(half.code, 1);
    assert.match(half.stderr, /holds a BTT.*--yes/);
    assert.equal((await pmem(['btt', 'format', path, '-f', '-y'])).code, 0);
  });

  it('check finds damage, and repairs it with --repair --yes', async () => {
    const path = image();
    await pmem(['btt', 'format', path, '--yes']);
    edit(path, 4096, 64, (bytes) => bytes.fill(0));
    const found = await pmem(['btt', 'check', path]);
    assert.equal(found.code, 1);
    assert.match(found.stdout, /repairable\n {2}arena 0 {2}info-missing \(can be repaired\)/);
    const asked = await pmem(['btt', 'check', path, '--repair']);
    assert.equal(asked.code, 1);
    assert.match(asked.stderr, /--yes/);
    const repaired = await pmem(['btt', 'check', path, '--repair', '--yes', '--json']);
    assert.equal(repaired.code, 0);
    assert.equal(JSON.parse(repaired.stdout).status, 'repaired');
    assert.equal((await pmem(['btt', 'check', path])).code, 0);
  });

  it('check rewrites the log with --rewrite-log', async () => {
    const path = image();
    await pmem(['btt', 'format', path, '--yes']);
    const alone = await pmem(['btt', 'check', path, '--rewrite-log']);
    assert.equal(alone.code, 2);
    assert.match(alone.stderr, /--rewrite-log needs --repair/);
    assert.match(
      (await pmem(['btt', 'check', path, '--repair', '--rewrite-log'])).stderr,
      /its log rewritten; say --yes/,
    );
    const { arenas } = JSON.parse((await pmem(['btt', 'info', path, '--json'])).stdout);
    // A second entry that says what the first one does.
    edit(path, 4096 + arenas[0].flogOffset, 32, (bytes) => {
      bytes.copy(bytes, 16, 0, 16);
      bytes.writeUInt32LE(2, 28);
    });
    const { code, stdout } = await pmem(['btt', 'check', path, '--repair', '--rewrite-log', '--yes']);
    assert.equal(code, 0);
    assert.match(stdout, /clean\nThe log was rewritten: 1 lane\./);
  });

  it('check --repair changes nothing where some damage cannot be repaired', async () => {
    const path = image();
    await pmem(['btt', 'format', path, '--yes']);
    const { arenas } = JSON.parse((await pmem(['btt', 'info', path, '--json'])).stdout);
    edit(path, 4096 + arenas[0].mapOffset, 4, (bytes) => bytes.fill(0xff));
    const { code, stdout } = await pmem(['btt', 'check', path, '--repair', '--yes']);
    assert.equal(code, 1);
    assert.match(stdout, /unsafe\n {2}arena 0 {2}map-bounds \(cannot be repaired\)\n.*sector 0 names block/);
    assert.match(stdout, /Nothing was changed/);
  });

  it('refuses a wrong command line', async () => {
    const path = image(4096);
    for (const [words, message] of [
      [['btt', 'format'], /PATH is missing/],
      [['btt', 'mend', path], /unknown command 'btt mend'/],
      [['btt', 'toString', path], /unknown command 'btt toString'/],
      [['btt', 'info', path, 'more'], /unexpected argument 'more'/],
      [['btt', 'info', path, '--repair'], /unknown option '--repair'/],
      [['btt', 'format', path, '-b', '1024'], /--sector-size must be 512, 520, .* or 4224; got '1024'/],
      [['btt', 'format', path, '--layout', '1.0'], /--layout must be 1\.1 or 2\.0; got '1\.0'/],
      [['btt', 'format', path, '--nfree', 'many'], /--nfree must be a whole number/],
      [['btt', 'check', ''], /PATH is empty/],
    ] as const) {
      const { code, stderr } = await pmem(words);
      assert.equal(code, 2, words.join(' '));
      assert.match(stderr, message);
    }
  });

  it('fails on a file without a BTT, on a small file, and on a missing file', async () => {
    const small = image(2 ** 20);
    for (const [words, message] of [
      [['btt', 'info', small], /ERR_PMEM_BTT_NOT_FOUND/],
      [['btt', 'check', small], /ERR_PMEM_BTT_NOT_FOUND/],
      [['btt', 'format', small, '--yes'], /memory\.size must be at least 16781312/],
      [['btt', 'format', small, '--yes', '--uuid', 'x'], /--uuid must be a UUID/],
      [['btt', 'info', `${small}-not`], /ENOENT: there is no '.*-not'\. Name an existing file or device/],
    ] as const) {
      const { code, stderr } = await pmem(words);
      assert.equal(code, 1, words.join(' '));
      assert.match(stderr, message);
    }
  });
});
