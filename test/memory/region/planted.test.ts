/** What strangers put where a file is to be made, and who may do what with a file that was made. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Region } from 'pmem';
import { copyDevice, DaxDevice } from 'pmem/devdax';
import { pmem } from '../../cli/run.js';
import { throwsCode } from '../../support/errors.js';
import { NOBODY, needsRoot } from '../../support/root.js';
import { onDisk } from '../../support/temp.js';

const SIZE = 2 ** 21;
/** A third user, who is neither this one nor the one that a directory belongs to. */
const STRANGER = 12345;

/** Each way to make a file, or to take one that is there. */
const ways: readonly [name: string, make: (path: string) => void][] = [
  ['Region.open', (path) => Region.open(path, { create: true, size: SIZE }).close()],
  ['DaxDevice.open', (path) => DaxDevice.open(path, { create: true, size: SIZE, emulate: true }).close()],
];

describe('Where others can make files,', () => {
  const file = onDisk();
  before(function () {
    needsRoot(this);
  });

  function directory(mode: number, owner = 0): string {
    const path = file('directory');
    mkdirSync(path);
    chownSync(path, owner, owner);
    chmodSync(path, mode);
    return path;
  }

  function planted(path: string, owner: number): string {
    writeFileSync(path, Buffer.alloc(SIZE, 0x77));
    chmodSync(path, 0o666);
    chownSync(path, owner, owner);
    return path;
  }

  const untouched = (path: string) => assert(readFileSync(path).equals(Buffer.alloc(SIZE, 0x77)));

  for (const [name, make] of ways) {
    for (const mode of [0o1777, 0o1775, 0o777, 0o775]) {
      it(`${name} refuses a stranger's file in a directory of mode ${mode.toString(8)}`, () => {
        const path = planted(join(directory(mode), 'planted'), STRANGER);
        throwsCode(() => make(path), 'EACCES', { message: /belongs to user 12345.*where others can make files/ });
        untouched(path);
        // An empty one would be given its size.
        writeFileSync(path, '');
        throwsCode(() => make(path), 'EACCES');
        assert.equal(statSync(path).size, 0);
      });
    }

    it(`${name} refuses in another user's directory what belongs to a third one`, () => {
      const path = planted(join(directory(0o755, NOBODY), 'planted'), STRANGER);
      throwsCode(() => make(path), 'EACCES');
      untouched(path);
    });

    it(`${name} takes a file of its own user, of the directory's owner, and any in a directory of its own`, () => {
      make(planted(join(directory(0o1777), 'own'), 0));
      make(planted(join(directory(0o1777, NOBODY), 'owner'), NOBODY));
      make(planted(join(directory(0o755), 'any'), STRANGER));
    });

    it(`${name} makes nothing through a link that leads nowhere`, () => {
      const [place, target] = [directory(0o755), file('target')];
      const link = join(place, 'link');
      symlinkSync(target, link);
      throwsCode(() => make(link), 'ELOOP', { message: /none is made through a link/ });
      assert.equal(existsSync(target), false);
    });

    it(`${name} follows a link of the administrator's to a file that is there`, () => {
      const [place, target] = [directory(0o755), planted(file('target'), 0)];
      symlinkSync(target, join(place, 'link'));
      make(join(place, 'link'));
    });

    for (const [where, mode, owner] of [
      ['a sticky directory', 0o1777, 0],
      ['a directory of everybody', 0o777, 0],
      ["another user's directory", 0o755, STRANGER],
    ] as const) {
      it(`${name} follows no link of a stranger's in ${where}`, () => {
        const [place, target] = [directory(mode, owner), planted(file('target'), 0)];
        symlinkSync(target, join(place, 'link'));
        lchownSync(join(place, 'link'), STRANGER, STRANGER);
        throwsCode(() => make(join(place, 'link')), 'EACCES', { message: /symbolic link of user 12345/ });
        untouched(target);
      });
    }

    it(`${name} follows no link of a stranger's that a good one leads to`, () => {
      const [place, target] = [directory(0o1777), planted(file('target'), 0)];
      const [good, bad] = [file('good'), join(place, 'bad')];
      symlinkSync(target, bad);
      lchownSync(bad, STRANGER, STRANGER);
      symlinkSync(bad, good);
      throwsCode(() => make(good), 'EACCES', { message: /leads to the symbolic link/ });
    });
  }

  it('Region.open follows no link of a stranger in a sticky directory, whatever fs.protected_symlinks is', () => {
    const [place, target] = [directory(0o1777), planted(file('target'), 0)];
    symlinkSync(target, join(place, 'link'));
    lchownSync(join(place, 'link'), STRANGER, STRANGER);
    throwsCode(() => Region.open(join(place, 'link')), 'EACCES');
    symlinkSync(target, join(place, 'own'));
    Region.open(join(place, 'own')).close();
    // It is asked for by its name, and has to be there: its owner does not matter.
    Region.open(planted(join(place, 'file'), STRANGER)).close();
  });

  it('copyDevice follows no planted link, takes no planted file, and makes none through a link', async () => {
    const input = planted(file('input'), 0);
    const copy = (output: string) => copyDevice({ input, output, emulate: 'input' });
    const place = directory(0o1777);
    const [target, link, dangling] = [planted(file('target'), 0), join(place, 'link'), join(place, 'dangling')];
    symlinkSync(target, link);
    symlinkSync(file('nowhere'), dangling);
    for (const one of [link, dangling]) lchownSync(one, STRANGER, STRANGER);
    await assert.rejects(copy(link), { code: 'EACCES' });
    await assert.rejects(copy(dangling), { code: /^(EACCES|ELOOP)$/ });
    await assert.rejects(copy(planted(join(place, 'file'), STRANGER)), { code: 'EACCES' });
    untouched(target);
    const own = file('own-link');
    symlinkSync(file('nowhere'), own);
    await assert.rejects(copy(own), { code: 'ELOOP' });
  });

  it('a FIFO and a device of a stranger are refused as elsewhere', () => {
    const path = join(directory(0o1777), 'fifo');
    execFileSync('mkfifo', [path]);
    throwsCode(() => Region.open(path, { create: true, size: SIZE }), 'ENODEV');
  });
});

describe('Option exclusive', () => {
  const file = onDisk();

  it('makes what is not there, and refuses whatever is', async () => {
    const path = file('new');
    const options = { create: true, exclusive: true, size: SIZE };
    Region.open(path, options).close();
    throwsCode(() => Region.open(path, options), 'EEXIST', { message: /leave exclusive out/ });
    throwsCode(() => DaxDevice.open(path, { ...options, emulate: true }), 'EEXIST');
    const link = file('dangling');
    symlinkSync(file('nowhere'), link);
    for (const there of [link, '/dev/null', '/']) throwsCode(() => Region.open(there, options), 'EEXIST');
    const device = file('device');
    DaxDevice.open(device, { ...options, emulate: true }).close();
    assert.equal(statSync(device).size, SIZE);
    await assert.rejects(copyDevice({ input: path, output: device, exclusive: true, emulate: 'input' }), {
      code: 'EEXIST',
    });
    await copyDevice({ input: path, output: file('copy'), exclusive: true, emulate: 'input' });
  });

  it('is refused without create, and for a stream', async () => {
    throwsCode(() => Region.open(file('x'), { exclusive: true }), 'ERR_INVALID_ARG_VALUE');
    throwsCode(() => DaxDevice.open(file('x'), { exclusive: true }), 'ERR_INVALID_ARG_VALUE');
    await assert.rejects(copyDevice({ zero: true, output: process.stdout, exclusive: true }), {
      code: 'ERR_INVALID_ARG_VALUE',
    });
  });

  it('is an option of pmem dax copy', async () => {
    const [input, output] = [file('input'), file('output')];
    Region.open(input, { create: true, size: SIZE }).close();
    const words = ['dax', 'copy', '-i', input, '-o', output, '--emulate', 'input', '--exclusive'];
    assert.equal((await pmem(words)).code, 0);
    const { code, stderr } = await pmem(words);
    assert.notEqual(code, 0);
    assert.match(stderr, /EEXIST/);
  });
});

describe('Permissions of a file that is made', () => {
  const file = onDisk();
  let umask = 0;
  before(() => {
    umask = process.umask(0);
  });
  after(() => {
    process.umask(umask);
  });
  const modeOf = (path: string) => statSync(path).mode & 0o7777;

  it('are for this user only by default', async () => {
    for (const [name, make] of ways) {
      const path = file(name);
      make(path);
      assert.equal(modeOf(path), 0o600, name);
    }
    const [input, output] = [file('input'), file('output')];
    Region.open(input, { create: true, size: SIZE }).close();
    await copyDevice({ input, output, emulate: 'input' });
    assert.equal(modeOf(output), 0o600);
  });

  it('are those asked for, less what the umask takes away', () => {
    const options = { create: true, size: SIZE, mode: 0o666 };
    const before = process.umask(0o027);
    try {
      const [region, device] = [file('region'), file('device')];
      Region.open(region, options).close();
      DaxDevice.open(device, { ...options, emulate: true }).close();
      assert.deepEqual([modeOf(region), modeOf(device)], [0o640, 0o640]);
    } finally {
      process.umask(before);
    }
    for (const mode of [-1, 0o10000, 1.5, '600' as unknown as number]) {
      throwsCode(
        () => DaxDevice.open(file('bad'), { ...options, mode, emulate: true }),
        typeof mode === 'number' && Number.isInteger(mode) ? 'ERR_OUT_OF_RANGE' : 'ERR_INVALID_ARG_TYPE',
      );
    }
  });
});
