/** Huge pages for a suite of the benchmarks: whatever happens, what was reserved is given back, and nothing else. */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type HugePageHost, type HugePages, mountHugePages } from '../../benchmarks/huge-pages.js';
import { type ChildResult, inChild } from '../support/child.js';
import { ROOT } from '../support/paths.js';
import { NOBODY, needsRoot } from '../support/root.js';
import { onDisk } from '../support/temp.js';

const MIB = 2 ** 20;
const MODULE = join(ROOT, 'out', 'benchmarks', 'huge-pages.js');

describe('mountHugePages of the benchmarks', () => {
  const name = onDisk();
  let count = '';
  let temporary = '';
  const { TMPDIR } = process.env;

  beforeEach(() => {
    count = name('nr_hugepages');
    temporary = name('tmp');
    mkdirSync(temporary);
    process.env['TMPDIR'] = temporary;
  });
  afterEach(() => {
    if (TMPDIR === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = TMPDIR;
  });

  /** Where so many are reserved, and so many of them free. */
  function host(reserved: number, free: number, change: Partial<HugePageHost> = {}): HugePageHost {
    const meminfo = name('meminfo');
    writeFileSync(count, `${reserved}\n`);
    writeFileSync(meminfo, `HugePages_Total: ${reserved}\nHugePages_Free:    ${free}\n`);
    return { count, meminfo, mount: ['true'], umount: ['true'], ...change };
  }
  const counted = () => Number(readFileSync(count, 'utf8'));

  /** What the note says. */
  function noted(call: () => HugePages | undefined): string {
    const { write } = process.stderr;
    let text = '';
    process.stderr.write = (chunk: string | Uint8Array) => {
      text += String(chunk);
      return true;
    };
    try {
      assert.equal(call(), undefined);
    } finally {
      process.stderr.write = write;
    }
    return text;
  }

  /** The one who watches comes to the end of its input, and takes away the rest. */
  async function cleared(): Promise<void> {
    while (readdirSync(temporary).length > 0) await new Promise((resolve) => setImmediate(resolve));
  }

  it('gives back the pages that it added, and leaves those that others added since', async () => {
    const files = host(10, 3);
    writeFileSync(files.meminfo, 'HugePages_Free: 5\n');
    const huge = mountHugePages(4 * 2 * MIB, files);
    assert(huge !== undefined && existsSync(huge.directory));
    assert.equal(counted(), 10); // there were enough
    writeFileSync(count, '25\n');
    huge.unmount();
    assert.equal(counted(), 25);
    await cleared();
  });

  it('returns undefined if there are too few pages, and gives back those it got', async () => {
    assert.match(
      noted(() => mountHugePages(100 * 2 * MIB, host(10, 3))),
      /only 3 of 100 can be had/,
    );
    assert.equal(counted(), 10);
    await cleared();
  });

  it('returns undefined if nothing can be mounted', async () => {
    assert.match(
      noted(() => mountHugePages(2 * MIB, host(10, 3, { mount: ['false'] }))),
      /Command failed: false/,
    );
    assert.equal(counted(), 10);
    await cleared();
  });

  it('gives the pages back even if the mount stays', async () => {
    const files = host(10, 3, { umount: ['false'] });
    const huge = mountHugePages(3 * 2 * MIB, files);
    assert(huge !== undefined);
    writeFileSync(join(huge.directory, '..', 'kept'), '4'); // as if it had added as many
    assert.throws(() => huge.unmount(), /Command failed: false/);
    assert.equal(counted(), 6);
    await cleared();
  });

  it('gives the pages back if the process is killed', async () => {
    const files = host(10, 3);
    const ended: ChildResult<number> = await inChild(
      async (module: string, files: string) => {
        const { mountHugePages } = (await import(module)) as typeof import('../../benchmarks/huge-pages.js');
        const { writeFileSync } = await import('node:fs');
        const huge = mountHugePages(2 * 2 ** 20, JSON.parse(files) as HugePageHost);
        writeFileSync(`${huge?.directory}/../kept`, '7');
        process.kill(process.pid, 'SIGKILL');
        return 0;
      },
      [MODULE, JSON.stringify(files)],
      { env: { TMPDIR: temporary } },
    );
    assert.equal(ended.signal, 'SIGKILL');
    await cleared();
    assert.equal(counted(), 3);
  });

  it('prints a note instead of an error without root', async function () {
    needsRoot(this);
    const { code, value, stderr } = await inChild(
      async (module: string, nobody: number) => {
        const { mountHugePages } = (await import(module)) as typeof import('../../benchmarks/huge-pages.js');
        process.env['TMPDIR'] = '/tmp';
        process.setuid?.(nobody);
        return mountHugePages(2 ** 40) === undefined;
      },
      [MODULE, NOBODY],
    );
    assert.deepEqual({ code, value }, { code: 0, value: true });
    assert.match(stderr, /no pages of 2 MiB \(EACCES/);
  });
});
