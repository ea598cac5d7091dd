/** A guest that does not end as it should is reported for what it is, with the console's last words. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../support/paths.js';
import { Guest, GuestFailure, type GuestOptions } from '../guest.js';
import type { Machine } from '../machine.js';
import { openToolbox } from '../toolbox.js';
import { guestLimit, jobDirectory } from './directory.js';

const bare: Machine = { name: 'bare', memory: 2 ** 29, nvdimms: [] };

function guest(command: readonly string[], options: Partial<GuestOptions> = {}): Guest {
  return new Guest({
    tools: openToolbox(),
    plan: { machine: bare, format: true, command, cwd: ROOT, env: {} },
    directory: jobDirectory(),
    limit: guestLimit(),
    ...options,
  });
}

async function failureOf(failing: Guest): Promise<string> {
  const error = await failing.ended.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert(error instanceof GuestFailure, `ended as if nothing were wrong, or by ${error}`);
  return error.message;
}

describe('A guest', () => {
  it('reports the status of its command, and what it printed', async () => {
    let printed = '';
    const { status } = await guest(['sh', '-c', 'echo one; echo two >&2; exit 7'], {
      onOutput: (text) => {
        printed += text;
      },
    }).ended;
    assert.deepEqual(status, { code: 7, signal: null });
    assert.equal(printed, 'one\ntwo\n');
  });

  it('reports that its command died by a signal, or could not be started', async () => {
    assert.deepEqual((await guest(['sh', '-c', 'kill -BUS $$']).ended).status, { code: null, signal: 'SIGBUS' });
    assert.match((await guest(['/no/such/program']).ended).status.error ?? '', /ENOENT/);
  });

  it('that panics is a failure with the panic in it', async () => {
    const message = await failureOf(guest(['sh', '-c', 'echo so far so good; echo c >/proc/sysrq-trigger']));
    assert.match(message, /ended without an answer/);
    assert.match(message, /Kernel panic - not syncing: sysrq triggered crash/);
  });

  it('that gives no sign of life is a failure when its time is up', async () => {
    const message = await failureOf(guest(['sleep', '1000'], { limit: 5 }));
    assert.match(message, /^the guest gave no sign of life for 5 s; its console:/);
  });

  it('that never comes up is a failure', async () => {
    const nothing = join(jobDirectory(), 'nothing');
    writeFileSync(nothing, 'no archive');
    const tools = Object.assign(openToolbox(), { initramfs: nothing });
    const message = await failureOf(guest(['true'], { tools }));
    assert.match(message, /ended without an answer/);
    assert.match(message, /Unable to mount root fs/);
  });

  it("that QEMU refuses is a failure in QEMU's words", async () => {
    const plan = { machine: { ...bare, cpu: 'no-such-cpu' }, format: true, command: ['true'], cwd: ROOT, env: {} };
    assert.match(await failureOf(guest(['true'], { plan })), /unable to find CPU model 'no-such-cpu'/);
  });

  it('reports which of its devices cannot be set up', async () => {
    const nvdimms = [{ size: 2 ** 26, namespaces: [{ name: 'large', mode: 'raw', size: 2 ** 30 } as const] }];
    const plan = { machine: { ...bare, nvdimms }, format: true, command: ['true'], cwd: ROOT, env: {} };
    const { status } = await guest(['true'], { plan }).ended;
    assert.match(status.error ?? '', /could not be set up: .*ndctl create-namespace .*--name large/);
  });
});
