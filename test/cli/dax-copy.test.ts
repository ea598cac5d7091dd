import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/paths.js';
import { Random } from '../support/random.js';
import { onDisk } from '../support/temp.js';
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

  it('copies, verifies, and says what it did', async () => {
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
    assert(seconds > 0);
  });

  it('reads stdin and writes to stdout', () => {
    const device = file(Buffer.alloc(2 ** 20));
    const run = (words: string[], input?: Buffer) =>
      execFileSync(process.execPath, [MAIN, 'dax', 'copy', ...words], { input, stdio: ['pipe', 'pipe', 'pipe'] });
    run(['--output', device, '--seek', '5', '--emulate', 'output', '--verify'], bytes);
    const out = run(['--input', device, '--skip', '5', '--length', String(bytes.length), '--emulate', 'input']);
    assert(out.equals(bytes));
  });

  it('zeroes', async () => {
    const device = file(bytes);
    const words = ['dax', 'copy', '--zero', '-o', device, '-s', '10', '-l', '20', '--emulate', 'output'];
    assert.match((await pmem(words)).stdout, /^20 B \(20 bytes\) zeroed/);
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

describe('pmem: commands in a group', () => {
  it('are listed, and told about', async () => {
    const { code, stdout } = await pmem(['dax', '--help']);
    assert.equal(code, 0);
    assert.match(stdout, /Usage: pmem dax COMMAND/);
    assert.match(stdout, /^ {2}dax copy /m);
    assert.deepEqual(await pmem(['help', 'dax']), await pmem(['dax', '-h']));
    assert.deepEqual(await pmem(['help', 'dax', 'copy']), await pmem(['dax', 'copy', '--help']));
  });

  for (const [words, message] of [
    [['dax'], /dax needs a command/],
    [['dax', 'cop'], /unknown command 'dax cop'. Did you mean 'copy'\?/],
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
