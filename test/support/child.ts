/** Running a function in another process: what may kill a process must not kill the tests. */

import { type ChildProcess, spawn } from 'node:child_process';
import { ROOT } from './paths.js';

/** Values that survive the way through JSON. */
export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

/** How the process ended, and what the function returned. */
export interface ChildResult<R> {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly value: R | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly execArgv?: readonly string[];
  readonly execPath?: string;
}

const MARK = '\u0001result:';

function program(run: (...args: never[]) => unknown, args: readonly Json[]): string {
  return `import { writeSync } from 'node:fs';
const value = await (${String(run)})(...${JSON.stringify(args)});
if (value !== undefined) writeSync(1, ${JSON.stringify(MARK)} + JSON.stringify(value) + '\\n');`;
}

function environment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const { PMEM_ASSUME_PERSISTENT, NODE_OPTIONS, ...inherited } = process.env;
  const preload = [inherited['LD_PRELOAD'], extra['LD_PRELOAD']].filter(Boolean).join(':');
  return { ...inherited, ...extra, ...(preload === '' ? {} : { LD_PRELOAD: preload }) };
}

function launch(source: string, { env, execArgv = [], execPath = process.execPath }: ChildOptions): ChildProcess {
  return spawn(execPath, [...execArgv, '--input-type=module', '--eval', source], {
    cwd: ROOT,
    env: environment(env),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

function collect<R>(child: ChildProcess): Promise<ChildResult<R>> {
  return new Promise((resolve, reject) => {
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const line = stdout.split('\n').find((one) => one.startsWith(MARK));
      const value = line === undefined ? undefined : (JSON.parse(line.slice(MARK.length)) as R);
      resolve({ code, signal, value, stdout, stderr });
    });
  });
}

/**
 * Runs the function, which must stand alone (`await import('pmem')` inside of it), in a new process at the package's
 * directory.
 */
export function inChild<A extends Json[], R>(
  run: (...args: A) => R | Promise<R>,
  args: A,
  options: ChildOptions = {},
): Promise<ChildResult<R>> {
  const child = launch(program(run, args), options);
  child.stdin?.end();
  return collect(child);
}

/** As {@link inChild}; throws unless the process ends by itself with code 0. Returns what the function returned. */
export async function childValue<A extends Json[], R>(
  run: (...args: A) => R | Promise<R>,
  args: A,
  options: ChildOptions = {},
): Promise<R> {
  const { code, signal, value, stderr, stdout } = await inChild(run, args, options);
  if (code !== 0) throw new Error(`the child ended with code ${code}, signal ${signal}\n${stdout}${stderr}`);
  return value as R;
}

/** A process that runs on after the function returned, until told to end. */
export interface Running {
  readonly pid: number;
  /** Resolves with the next line that the process prints. */
  line(): Promise<string>;
  tell(line: string): void;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<ChildResult<unknown>>;
}

const running = new Set<ChildProcess>();

// A test that failed half-way must not leave its processes behind.
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts the function in a new process, to talk with through lines on its standard input and output. */
export function startChild<A extends Json[]>(
  run: (...args: A) => unknown,
  args: A,
  options: ChildOptions = {},
): Running {
  const child = launch(program(run, args), options);
  running.add(child);
  child.once('close', () => running.delete(child));
  const ended = collect(child);
  const lines: string[] = [];
  const waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  let failure: Error | undefined;
  let rest = '';
  child.stdout?.on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      const first = waiting.shift();
      if (first === undefined) lines.push(part);
      else first.resolve(part);
    }
  });
  const fail = (error: Error) => {
    failure = error;
    for (const one of waiting) one.reject(error);
  };
  ended.then(
    ({ code, signal, stderr }) => fail(new Error(`the child ended with code ${code}, signal ${signal}\n${stderr}`)),
    fail,
  );
  return {
    pid: child.pid ?? -1,
    line: () => {
      const line = lines.shift();
      if (line !== undefined) return Promise.resolve(line);
      // Also when it ended before anybody asked: waiting would be for good.
      if (failure !== undefined) return Promise.reject(failure);
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    tell: (line) => child.stdin?.write(`${line}\n`),
    kill: (signal) => child.kill(signal),
    ended,
  };
}
