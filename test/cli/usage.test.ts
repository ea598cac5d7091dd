import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { edit, makeImage } from '../support/images.js';
import { ROOT } from '../support/paths.js';
import { onDisk } from '../support/temp.js';
import { pmem } from './run.js';

const COMMANDS = ['info', 'explain', 'list', 'partitions', 'fdisk', 'demo'];
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  btt: ['format', 'check', 'info'],
  dax: ['list', 'info', 'create', 'destroy', 'reconfigure', 'copy'],
};
const ESCAPE = String.fromCharCode(27);

/** Every line fits into 80 columns. */
function fits(text: string): void {
  for (const line of text.split('\n')) assert.ok(line.length <= 80, `${line.length} columns: ${line}`);
}

describe('the help of pmem', () => {
  for (const words of [[], ['--help'], ['-h'], ['help'], ['help', 'help'], ['help', '--help']]) {
    it(`lists the commands: pmem ${words.join(' ')}`, async () => {
      const { code, stdout, stderr } = await pmem(words);
      assert.equal(code, 0);
      assert.equal(stderr, '');
      assert.match(stdout, /Usage: pmem COMMAND/);
      for (const command of [...COMMANDS, ...Object.keys(GROUPS)])
        assert.match(stdout, new RegExp(`^  ${command}\\b`, 'm'));
      assert.match(stdout, /^Exit codes:\n {2}0 {4}done\n {2}1 /m);
      fits(stdout);
    });
  }

  for (const command of COMMANDS) {
    it(`tells about ${command}, asked in each way`, async () => {
      const [first, second, third] = await Promise.all([
        pmem(['help', command]),
        pmem([command, '--help']),
        pmem([command, '-h']),
      ]);
      assert.equal(first.code, 0);
      assert.match(first.stdout, new RegExp(`^Usage: pmem ${command}\\b`));
      if (command !== 'fdisk') assert.match(first.stdout, /--json /);
      assert.match(first.stdout, /-h, --help /);
      assert.match(first.stdout, /^Exit codes:\n {2}0 {2}done\n {2}1 {2}failed.*\n {2}2 {2}wrong usage$/m);
      fits(first.stdout);
      assert.deepEqual(second, first);
      assert.deepEqual(third, first);
    });
  }

  it('tells about the commands of a group, asked in each way', async () => {
    const asked = await Promise.all(
      [
        ['help', 'dax'],
        ['dax', '--help'],
        ['dax', '-h'],
        ['dax', 'help'],
        ['dax', 'help', '-h'],
      ].map((words) => pmem(words)),
    );
    assert.match(asked[0]?.stdout ?? '', /^Usage: pmem dax COMMAND/);
    for (const one of asked) assert.deepEqual(one, asked[0]);
    const [first, second] = await Promise.all([pmem(['help', 'dax', 'list']), pmem(['dax', 'help', 'list'])]);
    assert.match(first.stdout, /^Usage: pmem dax list/);
    assert.deepEqual(second, first);
  });

  for (const [group, commands] of Object.entries(GROUPS)) {
    for (const command of commands) {
      it(`tells about ${group} ${command}`, async () => {
        const { code, stdout, stderr } = await pmem([group, command, '--help']);
        assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
        assert.match(stdout, new RegExp(`^Usage: pmem ${group} ${command}\\b`));
        assert.match(stdout, /^Exit codes:$/m);
        fits(stdout);
      });
    }
  }

  it('is shown for --help, whatever else is wrong', async () => {
    const { code, stdout, stderr } = await pmem(['info', '--nonsense', '--help']);
    assert.equal(code, 0);
    assert.equal(stderr, '');
    assert.match(stdout, /^Usage: pmem info/);
  });

  for (const option of ['--version', '-V']) {
    it(`is not needed for the version: pmem ${option}`, async () => {
      const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
      assert.deepEqual(await pmem([option]), { code: 0, signal: null, stdout: `${version}\n`, stderr: '' });
    });
  }

  it('has no colours where stdout is no terminal', async () => {
    const { stdout } = await pmem(['--help'], { env: { TERM: 'xterm-256color' } });
    assert.ok(!stdout.includes(ESCAPE));
  });
});

describe('wrong usage of pmem', () => {
  const wrong: readonly [words: string[], message: RegExp, help: string][] = [
    [['copy'], /unknown command 'copy'\. Did you mean 'dax copy'\?/, '--help'],
    [['btt'], /btt needs a command/, 'help btt'],
    [['btt', 'mend', 'a'], /unknown command 'btt mend'/, 'help btt'],
    [['partitions'], /PATH is missing/, 'help partitions'],
    [['lst'], /unknown command 'lst'\. Did you mean 'list'\?/, '--help'],
    [['exp'], /unknown command 'exp'\. Did you mean 'explain'\?/, '--help'],
    [['help', 'dmeo'], /unknown command 'dmeo'\. Did you mean 'demo'\?/, '--help'],
    [['frobnicate'], /unknown command 'frobnicate'$/m, '--help'],
    [['help', 'info', 'list'], /unexpected argument 'list'/, '--help'],
    [['--versoin'], /unknown option '--versoin'\. Did you mean '--version'\?/, '--help'],
    [['--json', 'list'], /unknown option '--json'; options come after the command/, '--help'],
    [['list', '--jsno'], /unknown option '--jsno'\. Did you mean '--json'\?/, 'help list'],
    [['list', '-json'], /unknown option '-j'\. Did you mean '--json'\?/, 'help list'],
    [['list', '-x'], /unknown option '-x'$/m, 'help list'],
    [['list', '--json=yes'], /option '--json' takes no value; got 'yes'/, 'help list'],
    [['list', 'x'], /unexpected argument 'x'/, 'help list'],
    [['list', '--__proto__'], /unknown option '--__proto__'/, 'help list'],
    [['info'], /PATH is missing/, 'help info'],
    [
      ['btt', 'format', 'a', '--nfree', '1', '--nfree=2'],
      /option '--nfree' was given more than once/,
      'help btt format',
    ],
    [['dax', 'copy', '-i', 'a', '--input', 'b'], /option '--input' was given more than once/, 'help dax copy'],
    [['dax', 'create', '-s1M', '-s2M'], /option '--size' was given more than once/, 'help dax create'],
    [
      ['dax', 'reconfigure', 'a', '-m', 'devdax', '-m', 'devdax'],
      /option '--mode' was given more than once/,
      'help dax reconfigure',
    ],
    [['dax', 'help', 'lst'], /unknown command 'dax lst'\. Did you mean 'dax list'\?/, 'help dax'],
    [['info', ''], /PATH is empty/, 'help info'],
    [['info', 'a', 'b'], /unexpected argument 'b'/, 'help info'],
    [['explain'], /PATH is missing/, 'help explain'],
    [['fdisk', '-l'], /PATH is missing/, 'help fdisk'],
    [['fdisk', '-l', 'a', ''], /PATH is empty/, 'help fdisk'],
    [['fdisk', 'a', 'b'], /--list is missing/, 'help fdisk'],
    [['demo', 'a', 'b'], /unexpected argument 'b'/, 'help demo'],
    [['demo', '--round', '3'], /unknown option '--round'\. Did you mean '--rounds'\?/, 'help demo'],
    [['demo', '--rounds'], /option '--rounds' needs a value: --rounds N/, 'help demo'],
    [['demo', '--rounds='], /option '--rounds' needs a value/, 'help demo'],
    ...['0', '101', '-1', '1.5', 'many', '1e1', ' 3'].map((value): [string[], RegExp, string] => [
      ['demo', `--rounds=${value}`],
      new RegExp(`--rounds must be a whole number from 1 to 100; got '${value}'`),
      'help demo',
    ]),
  ];
  for (const [words, message, help] of wrong) {
    it(`exits with 2: pmem ${words.map((word) => (word === '' ? "''" : word)).join(' ')}`, async () => {
      const { code, stdout, stderr } = await pmem(words);
      assert.equal(code, 2);
      assert.equal(stdout, '');
      assert.match(stderr, /^pmem: /);
      assert.match(stderr, message);
      assert.ok(stderr.endsWith(`See 'pmem ${help}'.\n`), stderr);
      assert.equal(stderr.split('\n').length, 3, stderr);
    });
  }

  it('does not read a word after -- as an option', async () => {
    const { code, stderr } = await pmem(['info', '--', '--json']);
    assert.equal(code, 1);
    assert.match(stderr, /there is no '--json'/);
  });
});

describe('a refusal of the library', () => {
  const file = onDisk();

  it('is told in the words of the command', async () => {
    const [empty, small, full] = [file('empty'), file('small'), file('full')];
    makeImage(empty, 0);
    makeImage(small, 4096);
    makeImage(full, 20 * 2 ** 20);
    edit(full, 0, 8, (bytes) => bytes.fill(1));
    const cases: readonly [words: string[], message: RegExp][] = [
      [['partitions', empty], /is empty, and nothing can be mapped$/m],
      [['btt', 'info', small], /'pmem btt format' makes one$/m],
      [['btt', 'format', full, '--yes'], /; --force destroys it$/m],
      [['btt', 'format', full, '--yes', '--force', '--nfree', '0'], /ERR_OUT_OF_RANGE: --nfree must be/],
      [['dax', 'copy', '-i', small, '-o', full, '--emulate', 'input', '--exclusive'], /leave --exclusive out/],
      [['dax', 'copy', '-i', small, '-o', full], /; cp and dd copy files\. --emulate input, output or both takes/],
    ];
    for (const [words, message] of cases) {
      const { code, stderr } = await pmem(words);
      assert.equal(code, 1, words.join(' '));
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /: true|options\./);
    }
  });
});

describe('pmem, when the reader of its output leaves,', () => {
  for (const words of [['list'], ['list', '--json'], ['--help'], ['info', 'package.json']]) {
    it(`exits with 141 in silence: pmem ${words.join(' ')}`, async () => {
      const { code, stderr } = await pmem(words, { closeStdout: true });
      assert.equal(stderr, '');
      assert.equal(code, 141);
    });
  }
});
