/**
 * A writer acknowledges records while QEMU is killed under it, again and again.
 *
 * What this proves: an acknowledged record had left the CPU for the memory of the NVDIMM, and everything that the kernel
 * needs to find it again (the file, its size, its blocks) had too, for after the kill the guest's kernel starts anew, replays
 * the journal and finds it. A store that waits in the guest's page cache, or a block that only the dead kernel knew of, is lost
 * here, as the last test shows.
 *
 * What it does not prove: that the CPU caches were flushed. QEMU's memory is the host's page cache, which outlives QEMU
 * with everything that was stored, flushed or not. Only a power cut, or a simulation that forgets unflushed lines, can show that.
 */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { ROOT } from '../../support/paths.js';
import { Random } from '../../support/random.js';
import { Guest, GuestFailure } from '../guest.js';
import type { Machine } from '../machine.js';
import { small } from '../machines.js';
import { openToolbox } from '../toolbox.js';
import { guestLimit, jobDirectory } from './directory.js';

const MIB = 2 ** 20;
const ROUNDS = 20;
const SEED = 20261121;
/** Acknowledgements after which QEMU is killed, at most: the writer is anywhere then, as they are on their way for a while. */
const MOST_ACKNOWLEDGED = 100;
const WRITER = join(ROOT, 'out', 'test', 'lab', 'inside', 'writer.js');

const machine: Machine = { ...small, name: 'death', memory: 512 * MIB };
const withDisk: Machine = { ...machine, disks: { ext4: 64 * MIB, empty: 16 * MIB } };

/** What a round came to. */
interface Round {
  /** The verdict on what earlier rounds acknowledged. */
  readonly verdict: string | undefined;
  /** Records acknowledged in all. */
  readonly acknowledged: number;
}

/** Starts the guest, and kills it after so many acknowledgements. */
async function round(start: {
  readonly machine: Machine;
  readonly directory: string;
  readonly targets: readonly string[];
  readonly acknowledged: number;
  readonly format: boolean;
  readonly kill: number;
}): Promise<Round> {
  const { directory, targets, format, kill } = start;
  const command = [process.execPath, WRITER, String(start.acknowledged), ...targets];
  let printed = '';
  const guest = new Guest({
    tools: openToolbox(),
    plan: { machine: start.machine, format, command, cwd: ROOT, env: {} },
    directory,
    limit: guestLimit(),
    onOutput: (text) => {
      printed += text;
      if (printed.split('\nacknowledged ').length > kill) guest.kill();
    },
  });
  const end = await guest.ended.catch((error: unknown) => error);
  const how = end instanceof GuestFailure ? end.message : JSON.stringify(end);
  assert.match(how, /^the guest was killed/, `${how}\n${printed}`);
  // A line that was cut off was not acknowledged.
  const lines = printed.split('\n').slice(0, -1);
  const last = lines.findLast((line) => line.startsWith('acknowledged '));
  return { verdict: lines[0], acknowledged: Number(last?.split(' ')[1] ?? start.acknowledged - 1) + 1 };
}

describe('Killing QEMU', () => {
  it(`loses no acknowledged record in ${ROUNDS} rounds, neither of files on DAX nor of device-DAX`, async () => {
    const random = new Random(SEED);
    const directory = jobDirectory();
    const targets = ['file', 'sparse', 'device'];
    let acknowledged = 0;
    // The round after the last only looks, and is killed like the others.
    for (let number = 0; number <= ROUNDS; number++) {
      const kill = 1 + random.below(MOST_ACKNOWLEDGED);
      const result = await round({ machine, directory, targets, acknowledged, format: number === 0, kill });
      assert.equal(result.verdict, `checked ${acknowledged}`, `seed ${SEED}, after round ${number}`);
      assert(result.acknowledged > acknowledged, 'nothing was acknowledged before the kill');
      acknowledged = result.acknowledged;
    }
    console.log(`      ${acknowledged} records acknowledged`);
  });

  it('loses what was not durable, which shows that the test can fail', async () => {
    const directory = jobDirectory();
    const common = { machine: withDisk, directory, targets: ['liar'] };
    const first = await round({ ...common, acknowledged: 0, format: true, kill: 1 });
    const second = await round({ ...common, acknowledged: first.acknowledged, format: false, kill: 1 });
    assert.match(second.verdict ?? '', /^lost \d+: /);
  });
});
