/** Process 1 of the guest: sets the machine up, runs the command, and reports its end. */

import { spawn } from 'node:child_process';
import { openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { MACHINE, OUTPUT, PLACES, type Plan, RESULTS, STATUS, type Status } from '../plan.js';
import { setUp, tearDown } from './setup.js';

/** The node of the virtio port with this name. (The guest has no udev to make links.) */
function port(name: string): string | undefined {
  const ports = '/sys/class/virtio-ports';
  const found = readdirSync(ports).find((one) => {
    try {
      return readFileSync(join(ports, one, 'name'), 'utf8').trim() === name;
    } catch {
      return false;
    }
  });
  return found === undefined ? undefined : `/dev/${found}`;
}

function start(plan: Plan, env: NodeJS.ProcessEnv, output: number): Promise<Status> {
  const { command, cwd } = plan;
  // The kernel's console becomes the shell's terminal, with job control.
  const [file, ...args] = command ?? ['setsid', '--ctty', '--wait', 'bash', '--norc', '-i'];
  const stdio: ['ignore' | 'inherit', number | 'inherit', number | 'inherit'] =
    command === undefined ? ['inherit', 'inherit', 'inherit'] : ['ignore', output, output];
  const child = spawn(file as string, args, { cwd, env, stdio });
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: null, signal: null, error: String(error.stack) }));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
}

async function perform(plan: Plan): Promise<Status> {
  const results = port(RESULTS);
  const env: Record<string, string> = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    TERM: 'xterm',
    ...(results === undefined ? {} : { PMEM_TEST_RESULTS: results }),
    ...plan.env,
    [MACHINE]: plan.machine.name,
  };
  Object.assign(process.env, env);
  const output = port(OUTPUT);
  try {
    env[PLACES] = JSON.stringify(setUp(plan));
  } catch (error) {
    return { code: null, signal: null, error: `the guest could not be set up: ${(error as Error).stack}` };
  }
  const status = await start(plan, env, output === undefined ? 1 : openSync(output, 'w'));
  try {
    tearDown();
    return status;
  } catch (error) {
    return { ...status, error: `what was mounted could not be unmounted: ${(error as Error).stack}` };
  }
}

const plan = JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as Plan;
const status = await perform(plan);
const answer = port(STATUS);
if (answer !== undefined) writeSync(openSync(answer, 'w'), `${JSON.stringify(status)}\n`);
// The host ends the guest after the answer. If it does not, this does.
writeFileSync('/proc/sysrq-trigger', 'o');
setInterval(() => {}, 1000);
