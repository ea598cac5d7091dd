import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/paths.js';
import { Random } from '../support/random.js';
import { onDisk } from '../support/temp.js';
import { needsTool } from '../support/tools.js';
import { pmem } from './run.js';

const MAIN = join(ROOT, 'dist', 'cli', 'main.js');

describe('pmem dax copy', () => {
  const name = onDisk();
  const bytes = new Random(7).bytes(100_001);

  function file(contents: Buffer): string {
    const path = name('file');
    writeFileSync(path, contents);
    return path;
  }

  it('copies, verifies, and reports bytes and speed', async () => {
    const output = file(Buffer.alloc(2 ** 20));
    const words = ['dax', 'copy', '-i', file(bytes), '-o', output, '-s', '4KiB', '--emulate', 'output', '--verify'];
    const { code, stdout, stderr } = await pmem(words);
    assert.equal(stderr, '');
    assert.equal(code, 0);
    assert.match(stdout, /^97\.66 KiB \(100001 bytes\) copied in \d+\.\d\d s, .*\/s; verified\n$/);
    assert(
      readFileSync(output)
        .subarray(4096, 4096 + bytes.length)
        .equals(bytes),
    );
    const { stdout: json } = await pmem([...words, '--json', '-k', '1', '-l', '10']);
    const { seconds, ...report } = JSON.parse(json);
    assert.deepEqual(report, { bytes: 10, durable: true, verified: true });
    assert(Number.isFinite(seconds) && seconds >= 0);
  });

  it('warns of what it overwrites on a device that is not blank', async () => {
    const output = file(Buffer.alloc(2 ** 21));
    const words = ['dax', 'copy', '-i', file(bytes), '-o', output, '--emulate', 'output'];
    assert.equal((await pmem(words)).stderr, '');
    assert.equal((await pmem(words)).stderr, `pmem: warning: '${output}' holds data, which is overwritten\n`);
    assert.equal((await pmem([...words, '-s', '1MiB'])).stderr, '');
    const signed = Buffer.alloc(2 ** 20);
    signed.write('XFSB', 'latin1');
    const named = await pmem([...words.slice(0, 5), file(signed), ...words.slice(6)]);
    assert.match(named.stderr, /holds an XFS file system, which is overwritten\n$/);
    assert.equal(named.code, 0);
  });

  it('reads stdin and writes to stdout', () => {
    const device = file(Buffer.alloc(2 ** 20));
    const run = (words: string[], input?: Buffer) =>
      execFileSync(process.execPath, [MAIN, 'dax', 'copy', ...words], { input, stdio: ['pipe', 'pipe', 'pipe'] });
    run(['--output', device, '--seek', '5', '--emulate', 'output', '--verify'], bytes);
    const out = run(['--input', device, '--skip', '5', '--length', String(bytes.length), '--emulate', 'input']);
    assert(out.equals(bytes));
  });

  for (const from of ['stdin', 'a FIFO']) {
    it(`ends when it has --length bytes, although ${from} stays open`, async () => {
      const device = file(Buffer.alloc(8192));
      const fifo = name('fifo');
      execFileSync('mkfifo', [fifo]);
      const words = from === 'stdin' ? [] : ['-i', fifo];
      const all = [MAIN, 'dax', 'copy', ...words, '-o', device, '-l', '4096', '--emulate', 'output'];
      const child = spawn(process.execPath, all, { stdio: ['pipe', 'ignore', 'inherit'] });
      const ended = once(child, 'exit');
      // Opened for both it waits for nobody; closed only when the command has ended.
      const writer = openSync(fifo, 'r+');
      if (from === 'stdin') child.stdin?.write(bytes.subarray(0, 4096));
      else writeSync(writer, bytes.subarray(0, 4096));
      assert.deepEqual(await ended, [0, null]);
      closeSync(writer);
      child.stdin?.destroy();
      assert(readFileSync(device).subarray(0, 4096).equals(bytes.subarray(0, 4096)));
    });
  }

  it('prints JSON to stderr where the bytes go to stdout', () => {
    const words = ['dax', 'copy', '-i', file(bytes), '--emulate', 'input', '--json'];
    const { stdout, stderr } = spawnSync(process.execPath, [MAIN, ...words]);
    assert(stdout.equals(bytes));
    assert.equal(JSON.parse(stderr.toString()).bytes, bytes.length);
  });

  // When it is drawn is the matter of progress-bar.test.ts; what is drawn last depends on no clock.
  it('draws a bar on a terminal, and ends the line of the bar even if it fails', function () {
    needsTool(this, 'script');
    const device = file(Buffer.alloc(2 ** 20));
    const onTerminal = (words: string) =>
      execFileSync('script', ['-qefc', `'${process.execPath}' '${MAIN}' dax copy ${words}; true`, '/dev/null'], {
        encoding: 'utf8',
        input: '',
      });
    const done = onTerminal(`-i '${device}' -o '${name('out')}' --emulate input`);
    assert.match(done, /\[#+\] 100 %, copied 1 MiB, [^\n]*\/s\r\n1 MiB \(/);
    const short = onTerminal(`-i '${device}' -o '${name('out')}' --emulate both`);
    assert.match(short, /^\S*pmem:\S* ENOENT/);
    const unknown = onTerminal(`-i /dev/zero -o '${device}' --emulate output`);
    assert.match(unknown, /copied 1 MiB, [^\n]*\/s\r\n[^\n]*ENOSPC/);
  });

  it('stores zeroes with --zero', async () => {
    const device = file(bytes);
    const words = ['dax', 'copy', '--zero', '-o', device, '-s', '10', '-l', '20', '--emulate', 'output'];
    assert.match((await pmem(words)).stdout, /^20 B zeroed/);
    assert(readFileSync(device).equals(Buffer.concat([bytes.subarray(0, 10), Buffer.alloc(20), bytes.subarray(30)])));
  });

  const wrong: [string[], number, RegExp][] = [
    [[], 2, /copy needs --input, --output, or both/],
    [['--zero'], 2, /copy needs --input/],
    [['--zero', '-i', 'a', '-o', 'b'], 2, /--zero has no --input/],
    [['-i', 'a', '-o', 'b', '-l', '5x'], 2, /--length must be .*'5x'/],
    [['-i', 'a', '-o', 'b', '-s', '-1'], 2, /--seek/],
    [['-i', 'a', '-o', 'b', '--emulate', 'all'], 2, /--emulate must be input, output or both/],
    [['-i', 'a', '-o', 'b', 'c'], 2, /unexpected argument 'c'/],
    [['-o', 'b', '-k', '1'], 2, /--skip needs --input PATH/],
    [['-i', 'a', '-s', '1'], 2, /--seek needs --output PATH/],
    [['-i', 'a', '--verify'], 2, /--verify needs --output PATH/],
    [['-i', 'package.json', '-o', '/dev/null'], 1, /EINVAL: neither input nor output/],
    [['-i', '/nowhere', '-o', 'package.json', '--emulate', 'output'], 1, /ENOENT: there is no '\/nowhere'/],
  ];
  for (const [words, code, message] of wrong) {
    it(`exits with ${code}: pmem dax copy ${words.join(' ')}`, async () => {
      const ended = await pmem(['dax', 'copy', ...words]);
      assert.match(ended.stderr, message);
      assert.equal(ended.code, code);
      assert.equal(ended.stdout, '');
    });
  }
});

describe('pmem: a group of commands', () => {
  it('lists its commands, and has help for each', async () => {
    const { code, stdout } = await pmem(['dax', '--help']);
    assert.equal(code, 0);
    assert.match(stdout, /Usage: pmem dax COMMAND/);
    assert.match(stdout, /^ {2}dax copy /m);
    assert.deepEqual(await pmem(['help', 'dax']), await pmem(['dax', '-h']));
    assert.deepEqual(await pmem(['help', 'dax', 'copy']), await pmem(['dax', 'copy', '--help']));
  });

  for (const [words, message] of [
    [['dax'], /dax needs a command/],
    [['dax', 'cop'], /unknown command 'dax cop'. Did you mean 'dax copy'\?/],
    [['dax', '--json'], /options come after the command/],
    [['help', 'dax', 'copy', 'more'], /unexpected argument 'more'/],
    [['help', 'dax', 'nonsense'], /unknown command 'dax nonsense'/],
  ] as const) {
    it(`exits with 2: pmem ${words.join(' ')}`, async () => {
      const { code, stderr } = await pmem(words);
      assert.equal(code, 2);
      assert.match(stderr, message);
    });
  }
});
