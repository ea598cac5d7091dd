/** The command `npm run lab`. */

import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildNative } from '../support/native.js';
import { ROOT } from '../support/paths.js';
import { compiled, type GuestJob, guestJobs, isForHost, matching, pattern, testFiles } from './collect.js';
import { Guest, killAll } from './guest.js';
import { type Counts, guestJob, hostJob, runJobs, type Settings } from './jobs.js';
import type { Machine } from './machine.js';
import { everything } from './machines.js';
import { CACHE, openToolbox, type Toolbox } from './toolbox.js';
import { LabUnavailable } from './unavailable.js';

const USAGE = `Usage: npm run lab -- [options] [FILE…]

Runs tests on a real Linux kernel with emulated persistent-memory devices: those of test/lab, or the test files given.

  -g, --grep TEXT      only tests whose title contains the text, or matches /the expression/
  -m, --machine NAME   only on this machine
      --shell          an interactive shell in the guest, which ends with 'exit', or with Ctrl-A X if it hangs; or the
                       script on standard input. On the machine '${everything.name}' unless --machine says otherwise
      --keep           keep the images of the guests' devices, and say where they are
      --timeout SECS   seconds without a sign of life after which a guest counts as hanging (default: 900)
  -h, --help
`;

/** A command line with an error. */
class UsageError extends Error {}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        grep: { type: 'string', short: 'g' },
        shell: { type: 'boolean', default: false },
        machine: { type: 'string', short: 'm' },
        keep: { type: 'boolean', default: false },
        timeout: { type: 'string', default: '900' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function seconds(text: string): number {
  const value = Number(text);
  // Timers take no more.
  if (value > 0 && value < 2 ** 31 / 1000) return value;
  throw new UsageError(`--timeout must be a number of seconds; got '${text}'`);
}

function existing(file: string): string {
  if (existsSync(compiled(file))) return compiled(file);
  throw new UsageError(`There is no test file '${file}'`);
}

function expression(grep: string): RegExp {
  try {
    return pattern(grep);
  } catch (error) {
    throw new UsageError(`--grep: ${(error as Error).message}`);
  }
}

function onMachine<T extends { machine: Machine }>(all: readonly T[], name: string | undefined): T[] {
  if (name === undefined) return [...all];
  const found = all.filter(({ machine }) => machine.name === name);
  if (found.length > 0) return found;
  const names = [...new Set([everything.name, ...all.map(({ machine }) => machine.name)])];
  throw new UsageError(`There is no machine '${name}' here; there are: ${names.join(', ')}`);
}

/** A guest has these directories of its own. */
const HIDDEN = ['/dev', '/proc', '/sys', '/run'];

function checkPlace(): void {
  for (const path of [ROOT, process.execPath]) {
    const hidden = HIDDEN.find((directory) => path.startsWith(`${directory}/`));
    if (hidden !== undefined) throw new UsageError(`The guest has its own ${hidden}, and would not find ${path}`);
  }
}

async function shell(tools: Toolbox, machine: Machine, limit: number, directory: string): Promise<number> {
  const { stdin } = process;
  const interactive = stdin.isTTY === true;
  const command = interactive ? undefined : ['bash', '-c', readFileSync(0, 'utf8')];
  const env = { TERM: process.env['TERM'] ?? 'xterm' };
  const plan = { machine, format: true, command, cwd: process.cwd(), env };
  const onOutput = (text: string) => process.stdout.write(text);
  if (interactive) stdin.setRawMode(true);
  try {
    const { status } = await new Guest({ tools, plan, directory, limit, interactive, onOutput }).ended;
    if (status.error !== undefined) console.error(status.error);
    return status.code ?? 1;
  } finally {
    if (interactive) stdin.setRawMode(false);
  }
}

/** The tests to run: the given files, or all. */
interface Selection {
  readonly hosts: readonly string[];
  readonly guests: readonly GuestJob[];
}

async function select(
  files: readonly string[],
  grep: RegExp | undefined,
  machine: string | undefined,
): Promise<Selection> {
  const forHosts = files.length > 0 ? files.filter(isForHost) : testFiles('host');
  const forGuests = files.length > 0 ? files.filter((file) => !isForHost(file)) : testFiles('guest');
  const guests = onMachine(await guestJobs(forGuests, grep), machine);
  const hosts = machine === undefined ? await matching(forHosts, grep) : [];
  if (guests.length + hosts.length === 0) throw new UsageError('No test matches');
  return { hosts, guests };
}

function runAll({ hosts, guests }: Selection, settings: Settings): Promise<Counts> {
  // A guest has no compiler.
  buildNative('kernel');
  // First the tests that start many guests: they take longest.
  return runJobs([...hosts.map((file) => hostJob(file, settings)), ...guests.map((job) => guestJob(job, settings))]);
}

function report(counts: Counts): void {
  const file = process.env['PMEM_TEST_RESULTS'];
  if (file !== undefined && file !== '') appendFileSync(file, `${JSON.stringify(counts)}\n`);
  console.log(`The lab: ${counts.passed} tests passed, ${counts.failed} failed, ${counts.skipped} were skipped`);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A directory for this run. Removes those of runs that were killed. */
function runDirectory(): string {
  const runs = join(CACHE, 'runs');
  mkdirSync(runs, { recursive: true });
  for (const name of readdirSync(runs)) {
    const [, pid] = /^run-(\d+)-/.exec(name) ?? [];
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(runs, name), { recursive: true, force: true });
  }
  return mkdtempSync(join(runs, `run-${process.pid}-`));
}

function putAway(directory: string, keep: boolean): void {
  if (!keep) {
    rmSync(directory, { recursive: true, force: true });
    return;
  }
  const kept = directory.replace(/run-(?=[^/]*$)/, 'kept-');
  renameSync(directory, kept);
  console.log(`The images are in ${kept}`);
}

/** The toolbox; undefined if this machine cannot have one and need not. */
function toolbox(mustHave: boolean): Toolbox | undefined {
  try {
    return openToolbox();
  } catch (error) {
    if (!(error instanceof LabUnavailable) || mustHave) throw error;
    console.log(`The lab cannot run here, and is skipped.\n${error.message}`);
    report({ passed: 0, failed: 0, skipped: 1 });
    return undefined;
  }
}

async function main(): Promise<number> {
  const { values, positionals } = parse(process.argv.slice(2));
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  checkPlace();
  const limit = seconds(values.timeout);
  const grep = values.grep === undefined ? undefined : expression(values.grep);
  const files = positionals.map(existing);
  const selected = values.shell ? undefined : await select(files, grep, values.machine);
  const machine = values.shell ? await shellMachine(values.machine) : everything;
  const tools = toolbox(values.shell || process.env['CI'] === 'true');
  if (tools === undefined) return 0;
  const directory = runDirectory();
  for (const [signal, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ] as const) {
    process.once(signal, () => {
      killAll();
      putAway(directory, false);
      process.exit(128 + number);
    });
  }
  try {
    if (selected === undefined) return await shell(tools, machine, limit, directory);
    const counts = await runAll(selected, { tools, grep, limit, directory });
    report(counts);
    return counts.failed === 0 ? 0 : 1;
  } finally {
    putAway(directory, values.keep);
  }
}

/** The machine with this name, of those that tests declare. */
async function shellMachine(name: string | undefined): Promise<Machine> {
  if (name === undefined || name === everything.name) return everything;
  const [found] = onMachine(await guestJobs(testFiles('guest'), undefined), name);
  return found?.machine ?? everything;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof UsageError) console.error(`${error.message}\n\n${USAGE}`);
  else if (error instanceof LabUnavailable) console.error(error.message);
  else console.error(error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
