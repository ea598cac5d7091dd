/** The command `npm run lab`. */

import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildNative } from '../support/native.js';
import { compiled, guestJobs, hostFiles } from './collect.js';
import { Guest } from './guest.js';
import { type Counts, guestJob, hostJob, runJobs, type Settings } from './jobs.js';
import type { Machine } from './machine.js';
import * as machines from './machines.js';
import { CACHE, openToolbox, type Toolbox } from './toolbox.js';
import { LabUnavailable } from './unavailable.js';

/** Seconds for a script on standard input; who sits at a terminal may take longer. */
const SHELL_LIMIT = 24 * 60 * 60;

const known = Object.values(machines);

const USAGE = `Usage: npm run lab -- [options] [FILE…]

Runs tests on a real Linux kernel with emulated persistent-memory devices: those of test/lab, or the test files given.

  -g, --grep TEXT      only tests whose title contains the text, or matches /the expression/
      --shell          an interactive shell in the guest, which ends with 'exit'; or runs the script on standard input
  -m, --machine NAME   what the shell runs on: ${known.map(({ name }) => name).join(', ')} (default: ${machines.everything.name})
      --keep           keep the images of the guests' devices, and say where they are
      --timeout SECS   seconds until a guest counts as hanging (default: 300)
  -h, --help
`;

/** The command line cannot be understood. */
class UsageError extends Error {}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        grep: { type: 'string', short: 'g' },
        shell: { type: 'boolean', default: false },
        machine: { type: 'string', short: 'm', default: machines.everything.name },
        keep: { type: 'boolean', default: false },
        timeout: { type: 'string', default: '300' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function machineNamed(name: string): Machine {
  const found = known.find((machine) => machine.name === name);
  if (found !== undefined) return found;
  throw new UsageError(`There is no machine '${name}'; there are ${known.map((one) => one.name).join(', ')}`);
}

function existing(file: string): string {
  if (existsSync(compiled(file))) return compiled(file);
  throw new UsageError(`There is no test file '${file}'`);
}

function seconds(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new UsageError(`--timeout must be a number of seconds; got '${text}'`);
}

async function shell(tools: Toolbox, machine: Machine, directory: string): Promise<number> {
  const { stdin } = process;
  const interactive = stdin.isTTY === true;
  const command = interactive ? undefined : ['bash', '-c', readFileSync(0, 'utf8')];
  const env = { TERM: process.env['TERM'] ?? 'xterm' };
  const plan = { machine, format: true, command, cwd: process.cwd(), env };
  const onOutput = (text: string) => process.stdout.write(text);
  if (interactive) stdin.setRawMode(true);
  try {
    const { status } = await new Guest({ tools, plan, directory, limit: SHELL_LIMIT, interactive, onOutput }).ended;
    if (status.error !== undefined) console.error(status.error);
    return status.code ?? 1;
  } finally {
    if (interactive) stdin.setRawMode(false);
  }
}

async function tests(files: readonly string[], settings: Settings): Promise<Counts> {
  const { grep } = settings;
  // There is nothing to build with in a guest.
  buildNative('kernel');
  const guests = await guestJobs(files, grep);
  const hosts = files.length > 0 ? [] : await hostFiles(grep);
  // Those that start many guests take longest.
  const jobs = [...hosts.map((file) => hostJob(file, settings)), ...guests.map((job) => guestJob(job, settings))];
  if (jobs.length === 0) throw new UsageError('No test matches');
  return runJobs(jobs);
}

function report(counts: Counts): void {
  const file = process.env['PMEM_TEST_RESULTS'];
  if (file !== undefined && file !== '') appendFileSync(file, `${JSON.stringify(counts)}\n`);
  console.log(`The lab: ${counts.passed} tests passed, ${counts.failed} failed, ${counts.skipped} were skipped`);
}

async function main(): Promise<number> {
  const { values, positionals } = parse(process.argv.slice(2));
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const machine = machineNamed(values.machine);
  const limit = seconds(values.timeout);
  let tools: Toolbox;
  try {
    tools = openToolbox();
  } catch (error) {
    if (!(error instanceof LabUnavailable) || values.shell || process.env['CI'] === 'true') throw error;
    console.log(`The lab cannot run here, and is skipped.\n${error.message}`);
    report({ passed: 0, failed: 0, skipped: 1 });
    return 0;
  }
  const runs = join(CACHE, 'runs');
  mkdirSync(runs, { recursive: true });
  const directory = mkdtempSync(join(runs, 'run-'));
  try {
    if (values.shell) return await shell(tools, machine, directory);
    const counts = await tests(positionals.map(existing), { tools, grep: values.grep, limit, directory });
    report(counts);
    return counts.failed === 0 ? 0 : 1;
  } finally {
    if (values.keep) console.log(`The images are in ${directory}`);
    else rmSync(directory, { recursive: true, force: true });
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof UsageError) console.error(`${error.message}\n\n${USAGE}`);
  else if (error instanceof LabUnavailable) console.error(error.message);
  else console.error(error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
