/** Runs tests in guests and around guests, two jobs at a time, and adds up their counts. */

import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ROOT } from '../support/paths.js';
import type { GuestJob } from './collect.js';
import { Guest, GuestFailure } from './guest.js';
import { mochaCommand } from './mocha.js';
import type { Toolbox } from './toolbox.js';

/** Seconds for a test in a guest, whose CPU is emulated. */
const TEST_TIMEOUT = 120;
/** Seconds for a test that starts guests; each guest has its own limit too. */
const HOST_TEST_TIMEOUT = 3600;

/** How many tests passed, failed and were skipped. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** What all jobs have in common. */
export interface Settings {
  readonly tools: Toolbox;
  readonly grep: RegExp | undefined;
  /** Seconds without a sign of life after which a guest counts as hanging. */
  readonly limit: number;
  /** The directory of the images, with a directory for each job. */
  readonly directory: string;
}

/** Prints, and returns counts. */
export interface Job {
  readonly title: string;
  run(print: (text: string) => void): Promise<Counts>;
}

function sum(lines: string): Counts | undefined {
  const all = lines.split('\n').filter(Boolean);
  if (all.length === 0) return undefined;
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const line of all) {
    const one = JSON.parse(line) as Counts;
    total.passed += one.passed;
    total.failed += one.failed;
    total.skipped += one.skipped;
  }
  return total;
}

/** The counts of a run. One more failure if it counted nothing, or if its end contradicts the counts. */
export function judged(results: string, code: number | null, how: string, print: (text: string) => void): Counts {
  const counts = sum(results);
  const ran = counts !== undefined && counts.passed + counts.failed + counts.skipped > 0;
  if (ran && (code === 0 || counts.failed > 0)) return counts;
  print(`\n${how}\n`);
  const { passed, failed, skipped } = counts ?? { passed: 0, failed: 0, skipped: 0 };
  return { passed, failed: failed + 1, skipped };
}

/** The part of this process's environment that tests in a guest get. */
function passedOn(): Record<string, string> {
  return Object.fromEntries(
    ['CI', 'NO_COLOR'].flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])),
  );
}

/** Tests that run in a guest. */
export function guestJob({ machine, files }: GuestJob, { tools, grep, limit, directory }: Settings): Job {
  return {
    title: `in a guest: machine '${machine.name}'`,
    async run(print) {
      const guest = new Guest({
        tools,
        plan: { machine, format: true, command: mochaCommand(files, grep, TEST_TIMEOUT), cwd: ROOT, env: passedOn() },
        directory: join(directory, machine.name),
        limit,
        onOutput: print,
      });
      try {
        const { status, results } = await guest.ended;
        const how = status.error ?? `the tests ended with ${status.signal ?? `status ${status.code}`}`;
        return judged(results, status.code, how, print);
      } catch (error) {
        if (!(error instanceof GuestFailure)) throw error;
        return judged('', null, error.message, print);
      }
    },
  };
}

/** Tests that run here and start guests themselves. */
export function hostJob(file: string, { grep, directory, limit }: Settings): Job {
  const name = basename(file, '.test.js');
  return {
    title: `around guests: ${name}`,
    run(print) {
      const counts = join(directory, `${name}.counts`);
      writeFileSync(counts, '');
      const [command, ...args] = mochaCommand([file], grep, HOST_TEST_TIMEOUT);
      const child = spawn(command as string, args, {
        cwd: ROOT,
        env: {
          ...process.env,
          PMEM_TEST_RESULTS: counts,
          PMEM_LAB_DIRECTORY: join(directory, name),
          PMEM_LAB_LIMIT: String(limit),
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', print);
      return new Promise((resolve, reject) => {
        child.once('error', reject);
        child.once('close', (code, signal) => {
          const how = `the tests ended with ${signal ?? `status ${code}`}`;
          resolve(judged(readFileSync(counts, 'utf8'), code, how, print));
        });
      });
    },
  };
}

async function runJob(job: Job, print: (text: string) => void): Promise<Counts> {
  try {
    return await job.run(print);
  } catch (error) {
    print(`\n${(error as Error).stack}\n`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

/** Each emulates a CPU, and every machine has two. */
const AT_A_TIME = 2;

/** Runs all jobs. Prints the output of each in one piece at its end, or at once if there is only one. */
export async function runJobs(jobs: readonly Job[]): Promise<Counts> {
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const pending = [...jobs];
  const work = async () => {
    for (let job = pending.shift(); job !== undefined; job = pending.shift()) {
      const began = Date.now();
      let text = '';
      const counts = await runJob(job, (piece) => {
        if (jobs.length === 1) process.stdout.write(piece);
        else text += piece;
      });
      console.log(`\n--- ${job.title} (${Math.round((Date.now() - began) / 1000)} s)\n${text}`);
      total.passed += counts.passed;
      total.failed += counts.failed;
      total.skipped += counts.skipped;
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  return total;
}
