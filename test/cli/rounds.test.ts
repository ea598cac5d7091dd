import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Region } from 'pmem';
import { makeRecord } from '#dist/cli/demo/record.js';
import { crashRounds, type Round, tearOnPurpose } from '#dist/cli/demo/rounds.js';
import { rejectsCode } from '../support/errors.js';
import { ROOT } from '../support/paths.js';
import { onDisk } from '../support/temp.js';

const writerNamed = (name: string) => join(ROOT, 'out', 'test', 'cli', `${name}.js`);

describe('pmem demo: the rounds', () => {
  const file = onDisk();

  function made(size: string, records = 0): string {
    const path = file('records');
    const region = Region.open(path, { create: true, size });
    for (let number = 1; number <= records; number++) makeRecord(region, region.view(), number, 0);
    region.close();
    return path;
  }

  it('find every acknowledged record again, each writer going on after the one before', async () => {
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

  it('notice a writer that acknowledged what is not there, and stop', async () => {
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

  it('leave room for each other, however far ahead a writer is when it is killed', async () => {
    const path = made('8KiB');
    const rounds = await crashRounds({ path, rounds: 7, assumePersistent: false });
    // 21 records: 3 in each round at most, of which it is killed after the first one or later.
    for (const [i, { found, acknowledged, lost }] of rounds.entries()) {
      assert.equal(lost, 0);
      assert.ok(acknowledged > (rounds[i - 1]?.found ?? 0), `round ${i + 1}`);
      assert.ok(found <= 3 * (i + 1), `${found} after round ${i + 1}`);
    }
    assert.equal(rounds.length, 7);
  });

  it('tell what a writer died of that was not killed', async () => {
    const test = { path: made('1MiB'), rounds: 1, assumePersistent: false, writer: writerNamed('quitter') };
    await rejectsCode(crashRounds(test), 'ERR_PMEM_DEMO', { message: /ended with code 1 .*the disk is on fire/ });
  });

  it('tear nothing in a full file', async () => {
    const path = made('8KiB', 21);
    assert.equal(tearOnPurpose({ path, rounds: 1, assumePersistent: false }), true);
  });
});
