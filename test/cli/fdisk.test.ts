import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { longSize, shortSize } from '#dist/cli/fdisk/sizes.js';
import { printable } from '#dist/printable.js';
import { IMAGES, IMAGES_4096, makeCrowdedGpt, makeImage } from '../support/images.js';
import { ROOT } from '../support/paths.js';
import { onTmpfs } from '../support/temp.js';
import { needsTool, runTool } from '../support/tools.js';
import { pmem } from './run.js';

/** Both programs print the same, byte for byte, on both streams. */
async function same(words: readonly string[], cwd?: string): Promise<string> {
  const theirs = runTool('fdisk', words);
  const { code, stdout, stderr } = await pmem(['fdisk', ...words], cwd === undefined ? {} : { cwd });
  assert.equal(stdout, theirs.stdout);
  assert.equal(stderr, theirs.stderr);
  assert.equal(code, theirs.status);
  return stdout;
}

/** Where util-linux goes round a loop until it has 60 partitions, or lists an MBR that Linux does not accept. */
const OURS: Readonly<Record<string, readonly [stdout: RegExp, stderr: RegExp]>> = {
  'logical partitions in a loop': [
    /image\S*7 .*Linux\n$/,
    /^The chain of logical partitions comes back to sector 16384\.\n$/,
  ],
  'logical partitions that lead to themselves': [
    /image\S*5 .*Linux\n$/,
    /^The chain of logical partitions comes back to sector 8192\.\n$/,
  ],
  'an MBR of empty records and odd indicators': [/^I\/O size .*\n$/m, /^$/],
};

describe('pmem fdisk -l', () => {
  const file = onTmpfs();

  for (const [name, [stdout, stderr]] of Object.entries(OURS)) {
    it(`lists what Linux accepts of ${name}`, async () => {
      const path = file('image');
      IMAGES[name]?.(path);
      const ended = await pmem(['fdisk', '-l', path]);
      assert.equal(ended.code, 0);
      assert.match(ended.stdout, stdout);
      assert.match(ended.stderr, stderr);
    });
  }

  describe('prints what fdisk prints:', () => {
    before(function () {
      needsTool(this, 'fdisk');
    });

    for (const [name, make] of Object.entries(IMAGES).filter(([name]) => !(name in OURS))) {
      it(name, async () => {
        const path = file('image');
        make(path);
        assert.match(await same(['-l', path]), /^(Invalid flag .*\n|omitting .*\n)*Disk /);
      });
    }

    for (const [name, make] of Object.entries(IMAGES_4096)) {
      it(`${name}, in sectors of 4096 bytes`, async () => {
        const path = file('image');
        make(path);
        assert.match(await same(['-b', '4096', '-l', path]), /sectors of 1 \* 4096 = 4096 bytes/);
      });
    }

    it('names that are short, long, end in a digit, or are links', async () => {
      const path = file('x');
      IMAGES['a GPT']?.(path);
      for (const name of ['a', 'disk7', 'a-name-that-is-longer-than-most-names-of-images-are.img']) {
        const other = file(name);
        copyFileSync(path, other);
        await same(['-l', other]);
      }
      const link = file('link');
      symlinkSync(path, link);
      await same(['-l', link]);
    });

    it('names with characters that are wide, or cannot be printed, in either kind of locale', async () => {
      const path = file('x');
      IMAGES['an MBR']?.(path);
      for (const name of [
        'tab\there',
        'line\nbreak',
        'del\x7f',
        'back\\x09slash',
        '日本',
        'é1',
        'e\u0301',
        'ｆｕｌｌ',
        '🙂',
        '\u0085',
      ]) {
        const other = file(name);
        copyFileSync(path, other);
        for (const locale of ['C', 'C.UTF-8']) {
          const env = { LC_ALL: locale };
          const theirs = spawnSync('fdisk', ['-l', other], {
            env: { ...env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
            encoding: 'utf8',
          });
          const { stdout } = await pmem(['fdisk', '-l', other], { env });
          // It escapes cells, and prints the name in the head as it is.
          const clean = theirs.stdout.replace(`Disk ${other}:`, `Disk ${printable(other)}:`);
          assert.equal(stdout, clean, `${JSON.stringify(name)} in ${locale}`);
        }
      }
    });

    it('several images, some of which are not there', async () => {
      const [one, two] = [file('one'), file('two')];
      IMAGES['a GPT']?.(one);
      IMAGES['an MBR']?.(two);
      const [none, empty, directory] = [file('none'), file('empty'), file('directory')];
      makeImage(empty, 0);
      mkdirSync(directory);
      await same(['-l', one, two]);
      await same(['-l', none, one, empty, two, directory]);
      await same(['-l', one, none]);
      await same(['-b', '512', '-l', one, two]);
    });

    it('what is too small, and what is no disk', async () => {
      const [empty, tiny, sector] = [file('empty'), file('tiny'), file('sector')];
      makeImage(empty, 0);
      makeImage(tiny, 511);
      makeImage(sector, 4095);
      for (const path of [empty, tiny, dirname(empty), '/dev/null', `${tiny}/in-a-file`]) await same(['-l', path]);
      await same(['-b', '4096', '-l', sector]);
    });

    it('what may not be read', function () {
      const path = file('forbidden');
      makeImage(path, 512);
      chmodSync(path, 0);
      // Root may read everything, unless it gives that up.
      const isRoot = process.getuid?.() === 0;
      if (isRoot) needsTool(this, 'setpriv');
      const lesser = isRoot ? ['setpriv', '--bounding-set', '-dac_override,-dac_read_search'] : [];
      const run = (...command: string[]) => {
        const [name = '', ...args] = [...lesser, ...command];
        const env = { ...process.env, LC_ALL: 'C' };
        const { status, stdout, stderr } = spawnSync(name, args, { encoding: 'utf8', env });
        return { status, stdout, stderr };
      };
      const theirs = run('fdisk', '-l', path);
      assert.match(theirs.stderr, /Permission denied/);
      const ours = run(process.execPath, join(ROOT, 'dist', 'cli', 'main.js'), 'fdisk', '-l', path);
      assert.deepEqual(ours, theirs);
    });
  });

  it('writes sizes as util-linux does', () => {
    const sizes: [bytes: number, short: string, long: string][] = [
      [0, '0B', '0 B'],
      [512, '512B', '512 B'],
      [1023, '1023B', '1023 B'],
      [1024, '1K', '1 KiB'],
      [1536, '1.5K', '1.5 KiB'],
      [999_936, '976.5K', '976.5 KiB'],
      [1_992_192, '1.9M', '1.9 MiB'],
      [9_999_872, '9.5M', '9.54 MiB'],
      [15_360_000, '14.6M', '14.65 MiB'],
      [2 ** 30 - 1, '1024M', '1024 MiB'],
      [5e12, '4.5T', '4.55 TiB'],
    ];
    for (const [bytes, short, long] of sizes) {
      assert.equal(shortSize(BigInt(bytes)), short);
      assert.equal(longSize(BigInt(bytes)), long);
    }
  });

  it('lists a GPT of 131,072 partitions', async () => {
    const path = file('crowded');
    makeCrowdedGpt(path, 131_072);
    const { code, stdout, stderr } = await pmem(['fdisk', '-l', path]);
    assert.equal(stderr, '');
    assert.equal(code, 0);
    const rows = stdout.split('\n').filter((line) => line.startsWith(`${path}`));
    assert.equal(rows.length, 131_072);
    assert.match(rows.at(-1) ?? '', /131072 +163841 +163841 +1 +512B Linux filesystem$/);
  });

  it('wants --list and a path', async () => {
    const path = file('image');
    makeImage(path, 512);
    const silent = await pmem(['fdisk', path]);
    assert.equal(silent.code, 2);
    assert.match(silent.stderr, /--list is missing/);
    assert.equal((await pmem(['fdisk', '-l'])).code, 2);
    assert.equal((await pmem(['fdisk', '-l', path, ''])).code, 2);
    for (const size of ['0', '520', '4k', 'many']) {
      const { code, stderr } = await pmem(['fdisk', '-l', '-b', size, path]);
      assert.equal(code, 2);
      assert.match(stderr, /--sector-size must be 512 or 4096/);
    }
  });

  it('takes --list and --sector-size, and a relative path', async () => {
    const path = file('image');
    makeImage(path, 4096);
    const name = basename(path);
    const long = await pmem(['fdisk', '--list', '--sector-size', '4096', name], { cwd: dirname(path) });
    assert.equal(long.stderr, '');
    assert.match(long.stdout, new RegExp(`^Disk ${name}: 4 KiB, 4096 bytes, 1 sectors\n`));
  });
});
