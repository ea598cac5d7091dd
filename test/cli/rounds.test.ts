import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Region } from 'pmem';
import { makeRecord, scan } from '#dist/cli/demo/record.js';
import { crashRounds, type Round, tearOnPurpose } from '#dist/cli/demo/rounds.js';
import { rejectsCode } from '../support/errors.js';
import { ROOT } from '../support/paths.js';
import { onDisk } from '../support/temp.js';

const writerNamed = (name: string) => join(ROOT, 'out', 'test', 'cli', `${name}.js`);

describe('crashRounds of the demo', () => {
  const file = onDisk();

  function made(size: string, records = 0): string {
    const path = file('records');
    const region = Region.open(path, { create: true, size });
    for (let number = 1; number <= records; number++) makeRecord(region, region.view(), number, 0);
    region.close();
    return path;
  }

  it('finds every acknowledged record, and lets each writer continue after the last', async () => {
    const seen: Round[] = [];
    const test = {
      path: made('1MiB'),
      rounds: 3,
      assumePersistent: false,
      onRound: (round: Round) => seen.push(round),
    };
    const rounds = await crashRounds(test);
    assert.deepEqual(rounds, seen);
    assert.deepEqual(
      rounds.map(({ round }) => round),
      [1, 2, 3],
    );
    let before = 0;
    for (const { acknowledged, found, lost } of rounds) {
      assert.equal(lost, 0);
      assert.ok(acknowledged > before, `${acknowledged} after ${before}`);
      assert.ok(found >= acknowledged);
      before = found;
    }
    assert.equal(tearOnPurpose(test), true);
  });

  it('stops when a writer acknowledged records that are missing', async () => {
    const test = { path: made('1MiB', 4), rounds: 3, assumePersistent: false, writer: writerNamed('liar') };
    const rounds = await crashRounds(test);
    assert.equal(rounds.length, 1);
    assert.deepEqual(
      { ...rounds[0], killedAfter: 0 },
      {
        round: 1,
        killedAfter: 0,
        acknowledged: 7,
        found: 4,
        next: 'empty',
        lost: 3,
      },
    );
  });

  it('has writers that write their share only, and then wait to be killed', async () => {
    const path = made('8KiB', 2);
    const fd = openSync(path, 'r+');
    const writer = join(ROOT, 'dist', 'cli', 'demo', 'writer.js');
    const child = spawn(process.execPath, [writer, '/proc/self/fd/4', '1', '3'], {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe', fd],
    });
    closeSync(fd);
    const ended = once(child, 'exit');
    const acknowledgements = child.stdio[3] as Readable;
    let bytes = 0;
    for await (const piece of acknowledgements) {
      bytes += (piece as Buffer).length;
      // As when the demo itself is killed: nobody is left to do it.
      if (bytes >= 3 * 8) break;
    }
    assert.deepEqual(await ended, [0, null]);
    assert.equal(bytes, 3 * 8);
    const region = Region.open(path, { readOnly: true });
    assert.deepEqual(scan(region), { good: 5, next: 'empty' });
    region.close();
  });

  it('rejects with the error of a writer that ended before it was killed', async () => {
    const test = { path: made('1MiB'), rounds: 1, assumePersistent: false, writer: writerNamed('quitter') };
    await rejectsCode(crashRounds(test), 'ERR_PMEM_DEMO', { message: /ended with code 1 .*the disk is on fire/ });
  });

  it('is followed by tearOnPurpose, which leaves a full file alone', async () => {
    const path = made('8KiB', 21);
    assert.equal(tearOnPurpose({ path, rounds: 1, assumePersistent: false }), true);
  });
});
