/** Which binary the installed package loads, and what it says when there is none. */

import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { succeed } from './npm.js';
import { installed } from './packed.js';

interface Attempt {
  /** The addon's file, when one was loaded. */
  readonly file?: string;
  readonly code?: string;
  readonly message?: string;
  readonly parsed: number;
  readonly left: boolean;
}

const PROGRAM = `const { parseSize, Region } = await import('pmem');
const { existsSync, readFileSync, rmSync } = await import('node:fs');
const attempt = { parsed: parseSize('64KiB') };
try {
  Region.open('made.pmem', { create: true, size: 4096, assumePersistent: true }).close();
  attempt.file = /\\S+pmem\\.node$/m.exec(readFileSync('/proc/self/maps', 'utf8'))[0];
} catch ({ code, message }) {
  Object.assign(attempt, { code, message });
}
attempt.left = existsSync('made.pmem');
rmSync('made.pmem', { force: true });
console.log(JSON.stringify(attempt));`;

describe('The loader of the addon', () => {
  let project: string;
  let home: string;
  let prebuild: string;

  before(() => {
    project = installed();
    home = join(project, 'node_modules', 'pmem');
    prebuild = join(home, 'prebuilds', `linux-${process.arch}`, 'pmem.node');
  });

  afterEach(() => rmSync(join(home, 'build'), { recursive: true, force: true }));

  function attempt(first = ''): Attempt {
    const output = succeed(process.execPath, ['--input-type=module', '--eval', `${first}\n${PROGRAM}`], {
      cwd: project,
    });
    return JSON.parse(output) as Attempt;
  }

  function build(configuration: 'Debug' | 'Release'): string {
    const file = join(home, 'build', configuration, 'pmem.node');
    mkdirSync(dirname(file), { recursive: true });
    return file;
  }

  it('takes the binary of the package if there is no local build', () => {
    assert.equal(attempt().file, prebuild);
  });

  it('prefers a local build, and among these a debug build', () => {
    const release = build('Release');
    copyFileSync(prebuild, release);
    assert.equal(attempt().file, release);
    const debug = build('Debug');
    copyFileSync(prebuild, debug);
    assert.equal(attempt().file, debug);
  });

  it('refuses a local build that does not load, instead of using another binary', () => {
    const release = build('Release');
    writeFileSync(release, 'not a library');
    const { code, message, file } = attempt();
    assert.equal(file, undefined);
    assert.equal(code, 'ERR_PMEM_ADDON_NOT_LOADED');
    assert(message?.includes(release), message);
  });

  describe('without any binary', () => {
    const away = '.away';

    before(() => {
      copyFileSync(prebuild, prebuild + away);
      rmSync(prebuild);
    });
    after(() => copyFileSync(prebuild + away, prebuild));

    it('lets the import succeed, and says at the first use what to do', () => {
      const { code, message, parsed, left } = attempt();
      assert.equal(parsed, 65536);
      assert.equal(code, 'ERR_PMEM_ADDON_NOT_LOADED');
      assert(message?.includes(prebuild), message);
      assert(message?.includes(`npx node-gyp rebuild in '${home}'`), message);
      assert.match(message ?? '', /python3, make and a C\+\+17 compiler/);
      assert.equal(left, false);
    });
  });

  for (const [name, value] of [
    ['platform', 'darwin'],
    ['platform', 'win32'],
    ['arch', 'riscv64'],
  ] as const) {
    it(`lets the import succeed with process.${name} '${value}', and says at the first use that this is not supported`, () => {
      const { code, message, parsed, left } = attempt(
        `Object.defineProperty(process, '${name}', { value: '${value}' });`,
      );
      assert.equal(parsed, 65536);
      assert.equal(code, 'ERR_PMEM_UNSUPPORTED_PLATFORM');
      assert(message?.includes(value), message);
      assert.equal(left, false);
      assert(!existsSync(join(project, 'made.pmem')));
    });
  }
});
