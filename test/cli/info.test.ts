import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { cpuPaths, explain } from 'pmem';
import { onDisk, onTmpfs } from '../support/temp.js';
import { pmem } from './run.js';

/** What JSON makes of it, with null for what is not known. */
function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, one: unknown) => (one === undefined ? null : one)));
}

describe('pmem info', () => {
  const fileOnDisk = onDisk();

  it('shows the facts of a file', async () => {
    const path = fileOnDisk('file');
    writeFileSync(path, Buffer.alloc(3 * 4096));
    const { code, stdout, stderr } = await pmem(['info', path]);
    assert.equal(code, 0);
    assert.equal(stderr, '');
    assert.match(stdout, /^kind +regular file$/m);
    assert.match(stdout, /^size +12 KiB \(12288 bytes\)$/m);
    assert.match(stdout, /^alignment +4 KiB$/m);
    assert.match(stdout, new RegExp(`^file system +${explain(path).fileSystem?.type} on `, 'm'));
    assert.match(stdout, new RegExp(`^durability +${explain(path).durability.granularity}`, 'm'));
    assert.match(stdout, new RegExp(`^CPU +flush ${cpuPaths().flush}, copy ${cpuPaths().copy}, `, 'm'));
  });

  it('prints the same facts as JSON, with null for unknown ones', async () => {
    const path = fileOnDisk('file');
    writeFileSync(path, 'x');
    const { code, stdout } = await pmem(['info', path, '--json']);
    assert.equal(code, 0);
    const printed = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual(printed, asJson({ ...explain(path), cpu: cpuPaths() }));
    assert.ok('persistenceDomain' in printed && 'numaNode' in printed);
  });

  it('shows for a directory what a file in it would have', async () => {
    const path = fileOnDisk('directory');
    mkdirSync(path);
    const { code, stdout } = await pmem(['info', path]);
    assert.equal(code, 0);
    assert.match(stdout, /^kind +directory; /m);
    assert.match(stdout, /^size +-$/m);
  });

  it('fails for a setting of the environment that the CPU lacks', async () => {
    const path = fileOnDisk('file');
    writeFileSync(path, 'x');
    const { code, stdout, stderr } = await pmem(['info', path], { env: { PMEM_FLUSH: 'magic' } });
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /^pmem: ERR_PMEM_CPU_PATH: PMEM_FLUSH=magic/);
  });
});

describe('pmem explain', () => {
  const fileOnDisk = onDisk();

  it('says which durability there is, why, and what the obstacles are', async () => {
    const path = fileOnDisk('file');
    writeFileSync(path, Buffer.alloc(4096));
    const { durability, obstacles } = explain(path);
    const { code, stdout, stderr } = await pmem(['explain', path]);
    assert.equal(code, 0);
    assert.equal(stderr, '');
    const text = stdout.replace(/\s+/g, ' ');
    assert.ok(text.includes(`(granularity '${durability.granularity}')`), stdout);
    assert.ok(text.includes(`Why: ${durability.reason}.`), stdout);
    for (const { code: name, cause, remedy } of obstacles) {
      assert.ok(text.includes(`${name} ${cause}. Way out: ${remedy}.`), stdout);
    }
  });

  it('prints durability and obstacles as JSON', async () => {
    const path = fileOnDisk('file');
    writeFileSync(path, Buffer.alloc(4096));
    const { kind, durability, obstacles } = explain(path);
    const { code, stdout } = await pmem(['explain', path, '--json']);
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout), asJson({ path, kind, durability, obstacles }));
  });
});

describe('pmem explain on tmpfs', () => {
  const fileOnTmpfs = onTmpfs();

  it('says that nothing there is durable, and exits with 0', async () => {
    const path = fileOnTmpfs('file');
    writeFileSync(path, Buffer.alloc(4096));
    const { code, stdout } = await pmem(['explain', path]);
    assert.equal(code, 0);
    assert.match(stdout, /nothing stored here is durable/);
    assert.match(stdout, /^ {2}volatile-file-system$/m);
    assert.match(stdout, /Way out: /);
  });

  it('says that durability is assumed', async () => {
    const path = fileOnTmpfs('file');
    writeFileSync(path, Buffer.alloc(4096));
    const { code, stdout } = await pmem(['explain', path], { env: { PMEM_ASSUME_PERSISTENT: '1' } });
    assert.equal(code, 0);
    const text = stdout.replace(/\s+/g, ' ');
    assert.match(text, /durable by CPU cache flushes \(granularity 'cache-line'\), assumed and not confirmed/);
  });
});

describe('a path that cannot be mapped', () => {
  const fileOnDisk = onDisk();

  for (const command of ['info', 'explain']) {
    for (const json of [[], ['--json']]) {
      it(`is an error of ${[command, ...json].join(' ')}: a missing file`, async () => {
        const path = fileOnDisk('missing');
        const { code, stdout, stderr } = await pmem([command, path, ...json]);
        assert.equal(code, 1);
        assert.equal(stdout, '');
        assert.equal(
          stderr,
          `pmem: ENOENT: there is no '${path}'. Name an existing file or device; 'pmem list' shows the devices\n`,
        );
        assert.ok(!existsSync(path));
      });
    }

    it(`is an error of ${command}: a FIFO without a writer`, async () => {
      const path = fileOnDisk('fifo');
      execFileSync('mkfifo', [path]);
      const { code, stdout, stderr } = await pmem([command, path]);
      assert.equal(code, 1);
      assert.equal(stdout, '');
      assert.match(stderr, /^pmem: ENODEV: .*is neither a file nor a device/);
    });

    it(`is an error of ${command}: /dev/null`, async () => {
      const { code, stderr } = await pmem([command, '/dev/null']);
      assert.equal(code, 1);
      assert.match(stderr, /^pmem: ENODEV: '\/dev\/null' is a character device/);
      assert.doesNotMatch(stderr, /\n {4}at /);
    });

    it(`is an error of ${command}: a path below a file`, async () => {
      const path = fileOnDisk('file');
      writeFileSync(path, 'x');
      const { code, stderr } = await pmem([command, `${path}/x`]);
      assert.equal(code, 1);
      assert.match(stderr, /^pmem: ENOTDIR: /);
      assert.doesNotMatch(stderr, /\n {4}at /);
    });
  }
});
