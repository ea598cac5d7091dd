/** What cannot be mapped is not opened: that alone answers a FIFO's writer, starts a watchdog, rewinds a tape. */

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { explain, Region } from 'pmem';
import { copyDevice, DaxDevice, DaxRegion } from 'pmem/devdax';
import { childValue, startChild } from '../support/child.js';
import { throwsCode } from '../support/errors.js';
import { ROOT } from '../support/paths.js';
import { buildRefusingShim, opensIn } from '../support/refusing-shim.js';
import { needsRoot } from '../support/root.js';
import { needsPlainBuild } from '../support/sanitizers.js';
import { onDisk } from '../support/temp.js';

describe('what cannot be mapped', () => {
  const file = onDisk();
  let shim = '';
  before(() => {
    shim = file('shim.so');
    buildRefusingShim(shim);
  });

  /** Tries everything on the path in a child; returns how each ended, and which files were opened. */
  async function inspected(path: string): Promise<{ codes: string[]; opens: string[] }> {
    const log = file('opens');
    writeFileSync(log, '');
    const codes = await childValue(
      async (target: string) => {
        const { explain, Region } = await import('pmem');
        const { DaxDevice, DaxRegion } = await import('pmem/devdax');
        const seen: string[] = [];
        const attempt = async (run: () => unknown) => {
          try {
            await run();
            seen.push('none');
          } catch (error) {
            seen.push(String((error as NodeJS.ErrnoException).code));
          }
        };
        const create = { create: true, size: 2 ** 21 };
        await attempt(() => explain(target));
        await attempt(() => Region.open(target));
        await attempt(() => Region.open(target, { readOnly: true }));
        await attempt(() => Region.open(target, create));
        await attempt(() => DaxDevice.open(target));
        await attempt(() => DaxDevice.open(target, { ...create, emulate: true }));
        await attempt(() => DaxRegion.open(target));
        return seen;
      },
      [path],
      { env: { LD_PRELOAD: shim, SHIM_OPENS: log } },
    );
    return { codes, opens: opensIn(log) };
  }

  /** The same for commands. */
  function commanded(path: string): string[] {
    const log = file('opens');
    writeFileSync(log, '');
    for (const words of [
      ['explain'],
      ['info'],
      ['list'],
      ['fdisk', '-l'],
      ['partitions'],
      ['btt', 'check'],
      ['dax', 'info'],
      ['demo'],
    ]) {
      const [name] = words;
      const args = [join(ROOT, 'dist', 'cli', 'main.js'), ...words, ...(name === 'list' ? [] : [path])];
      const { status } = spawnSync(process.execPath, args, {
        env: { ...process.env, LD_PRELOAD: shim, SHIM_OPENS: log },
        stdio: 'pipe',
      });
      if (name !== 'list') assert.notEqual(status, 0, words.join(' '));
    }
    return opensIn(log);
  }

  it('a file that can be is opened, and the test sees it', async () => {
    const path = file('file');
    writeFileSync(path, Buffer.alloc(2 ** 21));
    const { codes, opens } = await inspected(path);
    assert.equal(codes[0], 'none');
    assert(opens.includes(realpathSync(path)));
  });

  it('a FIFO is refused without being opened, by the library and by every command', async () => {
    const path = file('fifo');
    execFileSync('mkfifo', [path]);
    const { codes, opens } = await inspected(path);
    assert.deepEqual(new Set(codes), new Set(['ENODEV']));
    const real = realpathSync(path);
    assert(!opens.includes(real));
    assert(!commanded(path).includes(real));
  });

  it("a FIFO's writer waits on", async () => {
    const [path, flag] = [file('fifo'), file('flag')];
    execFileSync('mkfifo', [path]);
    const writer = startChild(
      async (fifo: string, marker: string) => {
        const { existsSync, openSync, writeSync } = await import('node:fs');
        writeSync(1, 'opening\n');
        openSync(fifo, 'w');
        writeSync(1, `answered ${existsSync(marker) ? 'by its reader' : 'too early'}\n`);
        process.exit(0);
      },
      [path, flag],
    );
    assert.equal(await writer.line(), 'opening');
    for (const run of [
      () => explain(path),
      () => Region.open(path),
      () => Region.open(path, { create: true, size: 4096 }),
      () => DaxDevice.open(path),
      () => DaxRegion.open(path),
    ]) {
      throwsCode(run, 'ENODEV');
    }
    writeFileSync(flag, '');
    closeSync(openSync(path, constants.O_RDONLY));
    assert.equal(await writer.line(), 'answered by its reader');
    await writer.ended;
  });

  it('a socket is refused without being opened', async () => {
    const path = file('socket');
    const server = await new Promise<Server>((resolve) => {
      const made = createServer().listen(path, () => resolve(made));
    });
    const { codes, opens } = await inspected(path);
    assert.deepEqual(new Set(codes), new Set(['ENODEV']));
    assert(!opens.includes(realpathSync(path)));
    await new Promise((resolve) => server.close(resolve));
  });

  for (const [name, type, major, minor] of [
    ['a watchdog', 'c', 10, 130],
    ['a tape', 'c', 9, 0],
    ['a terminal', 'c', 5, 0],
    ['a character device that the kernel does not know', 'c', 510, 77],
    ['a block device that the kernel does not know', 'b', 510, 77],
  ] as const) {
    it(`${name} is refused without being opened, also at the end of a link`, async function () {
      needsRoot(this);
      const path = file('node');
      execFileSync('mknod', [path, type, String(major), String(minor)]);
      const link = file('link');
      symlinkSync(path, link);
      for (const one of [path, link]) {
        const { codes, opens } = await inspected(one);
        for (const code of codes) assert.match(code, /^(ENODEV|ENXIO)$/);
        assert(!opens.includes(realpathSync(path)));
      }
      const input = file('input');
      writeFileSync(input, 'x');
      if (type === 'c') {
        await assert.rejects(copyDevice({ input, output: path, emulate: 'input' }), { code: /^(ENODEV|ENXIO)$/ });
        await assert.rejects(copyDevice({ input: path, output: input, emulate: 'output' }), {
          code: /^(ENODEV|ENXIO)$/,
        });
      }
    });
  }

  for (const path of ['/proc/version', '/proc/self/mem', '/sys/kernel/mm/transparent_hugepage/enabled']) {
    it(`${path} is refused without being opened: writing or reading it is an order to the kernel`, async () => {
      const { codes, opens } = await inspected(path);
      assert.deepEqual(new Set(codes.slice(0, 5)), new Set(['ENODEV']));
      assert(!opens.some((one) => one.endsWith(path.replace('/proc/self', ''))), opens.join('\n'));
    });
  }
});

describe('without /proc', () => {
  const file = onDisk();

  it('files are made, opened, locked and explained all the same', function () {
    needsRoot(this);
    needsPlainBuild(this);
    const [directory, result] = [file('directory'), file('result')];
    mkdirSync(directory);
    const program = `
      const { explain, Region } = await import('pmem');
      const { DaxDevice } = await import('pmem/devdax');
      const { writeFileSync, existsSync, readdirSync } = await import('node:fs');
      const codeOf = (run) => { try { run(); return 'none'; } catch (error) { return error.code; } };
      const [directory, result] = ${JSON.stringify([directory, result])};
      const path = directory + '/file';
      const region = Region.open(path, { create: true, size: '2MiB', assumePersistent: false });
      region.write(0, Buffer.from('here'));
      region.close();
      const again = Region.open(path);
      const seen = {
        proc: existsSync('/proc/self'),
        text: again.view(0, 4).toString(),
        kind: explain(path).kind,
        directory: explain(directory).kind,
        exclusive: codeOf(() => Region.open(path, { create: true, exclusive: true, size: '2MiB' })),
        device: codeOf(() => DaxDevice.open(directory + '/device', { create: true, size: '2MiB', emulate: true }).close()),
        null: codeOf(() => Region.open('/dev/null')),
        left: readdirSync(directory),
      };
      again.close();
      writeFileSync(result, JSON.stringify(seen));
      process.exit(0);`;
    const script = 'mount -t tmpfs none /proc && exec "$0" --input-type=module --eval "$1"';
    const { status, stderr } = spawnSync(
      'unshare',
      ['--mount', '--propagation', 'private', 'sh', '-c', script, process.execPath, program],
      { cwd: ROOT, encoding: 'utf8' },
    );
    if (status !== 0 && /unshare|mount:/.test(stderr)) {
      if (process.env['CI'] === 'true') throw new Error(stderr);
      console.log(`      skipped: ${stderr.trim()}`);
      this.skip();
    }
    assert.equal(status, 0, stderr);
    assert.deepEqual(JSON.parse(readFileSync(result, 'utf8')), {
      proc: false,
      text: 'here',
      kind: 'file',
      directory: 'directory',
      exclusive: 'EEXIST',
      device: 'none',
      null: 'ENODEV',
      left: ['device', 'file'],
    });
  });
});
