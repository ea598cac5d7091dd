import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { explain } from 'pmem';
import { onDisk, onTmpfs } from '../support/temp.js';
import { pmem, type RunOptions } from './run.js';

interface Timing {
  median_ns: number;
  samples: number;
}

interface Printed {
  ok: boolean;
  path: string;
  durability: { granularity: string; assumed: boolean; reason: string };
  rounds: { round: number; acknowledged: number; found: number; lost: number }[];
  torn_on_purpose: string;
  writes: { bytes: number; pmem: Timing; fs_fdatasync: Timing; memory_assumed: Timing | null }[] | null;
  memory_left_out: string | null;
}

/** Makes the demo's writer acknowledge far more than it has written. */
const LIE = `--import=data:text/javascript,${encodeURIComponent(`
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
if (process.argv[1]?.endsWith('writer.js')) {
  const { writeSync } = fs;
  fs.writeSync = (fd, bytes, ...rest) => {
    if (fd === 3) bytes.writeBigUInt64LE(bytes.readBigUInt64LE() + 1000000n);
    return writeSync(fd, bytes, ...rest);
  };
  syncBuiltinESMExports();
}`)}`;

/** Lets the demo's first writer do its work, and holds every later one, so that the demo is under way for as long as a test wants. */
const HOLD = `--import=data:text/javascript,${encodeURIComponent(`
import { readSync } from 'node:fs';
if (process.argv[1]?.endsWith('writer.js') && process.argv[3] !== '1') {
  try {
    readSync(3, Buffer.alloc(1));
  } finally {
    process.exit();
  }
}`)}`;

/** Calls it once, when the first round is over. */
function afterFirstRound(act: (kill: (signal: NodeJS.Signals) => void) => void): NonNullable<RunOptions['onOutput']> {
  let over = false;
  return (text, kill) => {
    if (over || !/ ok$/m.test(text)) return;
    over = true;
    act(kill);
  };
}

describe('pmem demo', () => {
  const path = onDisk();

  function directory(): string {
    const made = path('directory');
    mkdirSync(made);
    return made;
  }

  it('without arguments finds every record, measures, explains, and leaves nothing behind', async () => {
    const cwd = directory();
    const { code, stdout, stderr } = await pmem(['demo', '--rounds', '2'], { cwd });
    assert.equal(stderr, '');
    assert.equal(code, 0);
    assert.deepEqual(readdirSync(cwd), []);
    const text = stdout.replace(/\s+/g, ' ');
    assert.match(text, /Here stores are durable by /);
    assert.equal(stdout.match(/ ok$/gm)?.length, 2);
    assert.match(text, /All \d+ acknowledged records are there\. A record cut in half on purpose was recognised\./);
    assert.match(text, /SIGKILL ends a process, not the power/);
    for (const size of ['64 B', '4 KiB', '1 MiB']) {
      assert.match(stdout, new RegExp(`^ +${size}  .*[\\d.]+ [nµm]?s  .*[\\d.]+ [nµm]?s`, 'm'));
    }
    for (const line of stdout.split('\n')) assert.ok(line.length <= 80 || line.includes(cwd), line);
  });

  it('prints the results as JSON, on a new file', async () => {
    const file = join(directory(), 'demo.dat');
    const { code, stdout, stderr } = await pmem(['demo', file, '--rounds=2', '--json']);
    assert.equal(stderr, '');
    assert.equal(code, 0);
    const { ok, rounds, writes, ...rest } = JSON.parse(stdout) as Printed;
    assert.equal(ok, true);
    assert.equal(rest.path, file);
    assert.equal(rest.torn_on_purpose, 'recognised');
    assert.equal(rest.durability.granularity, explain(dirname(file)).durability.granularity);
    assert.equal(rounds.length, 2);
    for (const { acknowledged, found, lost } of rounds) {
      assert.ok(acknowledged > 0 && found >= acknowledged && lost === 0);
    }
    assert.deepEqual(
      writes?.map(({ bytes }) => bytes),
      [64, 4096, 2 ** 20],
    );
    for (const { pmem: ours, fs, memory_assumed: memory } of (writes ?? []).map(({ fs_fdatasync, ...one }) => ({
      ...one,
      fs: fs_fdatasync,
    }))) {
      for (const timing of memory === null ? [ours, fs] : [ours, fs, memory]) {
        assert.ok(timing.median_ns > 0 && timing.samples >= 11);
      }
      assert.equal(memory === null, rest.memory_left_out !== null);
    }
    assert.deepEqual(readdirSync(dirname(file)), []);
  });

  it('fails when an acknowledged record is missing, and keeps the file', async () => {
    const file = path('demo.dat');
    const { code, stdout, stderr } = await pmem(['demo', file, '--rounds=2'], { env: { NODE_OPTIONS: LIE } });
    assert.equal(code, 1);
    assert.match(stdout, /\d+ LOST$/m);
    assert.match(stdout, /\d+ of \d+ acknowledged records are lost\./);
    assert.doesNotMatch(stdout, /Durable writes/);
    assert.match(stderr, /^pmem: ERR_PMEM_DEMO: \d+ acknowledged records are lost after round 1\. The file is kept: /);
    assert.ok(stderr.includes(`'${file}'`));
    assert.ok(existsSync(file));
  });

  it('fails with --json when an acknowledged record is missing', async () => {
    const file = path('demo.dat');
    const { code, stdout, stderr } = await pmem(['demo', file, '--rounds=2', '--json'], {
      env: { NODE_OPTIONS: LIE },
    });
    assert.equal(code, 1);
    assert.match(stderr, /^pmem: ERR_PMEM_DEMO: /);
    const { ok, rounds, writes } = JSON.parse(stdout) as Printed;
    assert.equal(ok, false);
    assert.ok((rounds[0]?.lost ?? 0) > 0);
    assert.equal(writes, null);
  });

  it('leaves alone a file that no demo made', async () => {
    const file = path('precious');
    writeFileSync(file, 'precious');
    const { code, stdout, stderr } = await pmem(['demo', file]);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /^pmem: EEXIST: .*is a file that no demo made, and is left alone/);
    assert.equal(readFileSync(file, 'utf8'), 'precious');
  });

  it('leaves alone links to files, and devices', async () => {
    const file = path('precious');
    const link = path('link');
    writeFileSync(file, 'PMEMDEMO');
    symlinkSync(file, link);
    for (const one of [link, '/dev/null']) {
      const { code, stderr } = await pmem(['demo', one]);
      assert.equal(code, 1);
      assert.match(stderr, /^pmem: EEXIST: .*is neither a directory nor a regular file/);
    }
    assert.equal(readFileSync(file, 'utf8'), 'PMEMDEMO');
  });

  it('fails with ENOENT in a missing directory', async () => {
    const { code, stderr } = await pmem(['demo', join(path('missing'), 'file')]);
    assert.equal(code, 1);
    assert.match(stderr, /^pmem: ENOENT: /);
    assert.doesNotMatch(stderr, /\n {4}at /);
  });

  for (const [signal, expected] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    it(`removes its files when ${signal} interrupts it`, async () => {
      const cwd = directory();
      const { code, stdout } = await pmem(['demo', '--rounds', '100'], {
        cwd,
        env: { NODE_OPTIONS: HOLD },
        onOutput: afterFirstRound((kill) => kill(signal)),
      });
      assert.equal(code, expected);
      assert.equal(stdout.match(/ ok$/gm)?.length, 1);
      assert.doesNotMatch(stdout, /Durable writes/);
      assert.deepEqual(readdirSync(cwd), []);
    });
  }

  it('removes its files when the reader of its output leaves', async () => {
    const cwd = directory();
    const { code, stderr } = await pmem(['demo', '--rounds', '1'], { cwd, closeStdout: true });
    assert.equal(stderr, '');
    assert.equal(code, 141);
    assert.deepEqual(readdirSync(cwd), []);
  });

  it('replaces the file of a demo that was killed', async () => {
    const file = path('demo.dat');
    const { signal } = await pmem(['demo', file, '--rounds', '100'], {
      env: { NODE_OPTIONS: HOLD },
      onOutput: afterFirstRound((kill) => kill('SIGKILL')),
    });
    assert.equal(signal, 'SIGKILL');
    assert.ok(existsSync(file), basename(file));
    const { code, stderr } = await pmem(['demo', file, '--rounds', '1', '--json']);
    assert.equal(stderr, '');
    assert.equal(code, 0);
    assert.ok(!existsSync(file));
  });
});

describe('pmem demo on tmpfs', () => {
  const path = onTmpfs();

  it('refuses, because nothing there can be made durable', async () => {
    const file = path('demo.dat');
    const { code, stdout, stderr } = await pmem(['demo', file]);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /^pmem: ERR_PMEM_VOLATILE: .*--assume-persistent/);
    assert.ok(!existsSync(file));
  });

  it('names the way out where neither the current nor the temporary directory is durable', async () => {
    const cwd = path('directory');
    mkdirSync(cwd);
    const { code, stderr } = await pmem(['demo'], { cwd, env: { TMPDIR: cwd } });
    assert.equal(code, 1);
    assert.match(stderr, /^pmem: ERR_PMEM_VOLATILE: nothing stored in '[^']+' survives power-off.*--assume-persistent/);
    assert.deepEqual(readdirSync(cwd), []);
  });

  it('with --assume-persistent works as if the memory were persistent, and says so', async () => {
    const file = path('demo.dat');
    const { code, stdout } = await pmem(['demo', file, '--assume-persistent', '--rounds', '2']);
    assert.equal(code, 0);
    const text = stdout.replace(/\s+/g, ' ');
    assert.match(text, /durable by CPU cache flushes, by assumption: persistence is assumed, not confirmed/);
    assert.match(text, /The memory is assumed to be persistent, which is not confirmed/);
    assert.ok(!existsSync(file));
  });
});
