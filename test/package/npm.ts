/** Running programs as a user's shell would, not as a script of this package. */

import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';

export interface RunOptions {
  readonly cwd: string;
  /** Beside what is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  readonly node?: string;
}

export interface RunResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Without what `npm run` and other tests set, except where the headers of Node.js are. */
function environment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => name === 'npm_config_nodedir' || !/^(npm_|PMEM_|NODE_OPTIONS$|INIT_CWD$|LD_PRELOAD$)/.test(name),
  );
  return { ...Object.fromEntries(inherited), ...extra };
}

/** The time only ends what hangs: a build on a busy machine takes minutes. */
const LIMITS = { encoding: 'utf8', timeout: 3_600_000, killSignal: 'SIGKILL', maxBuffer: 2 ** 28 } as const;

/** Runs to the end. */
export function run(file: string, args: readonly string[], { cwd, env }: RunOptions): RunResult {
  const { status, signal, error, stdout, stderr } = spawnSync(file, args, { ...LIMITS, cwd, env: environment(env) });
  if (error !== undefined) throw new Error(`${file} ${args.join(' ')}: ${error.message}\n${stdout}${stderr}`);
  return { status, stdout, stderr: signal === null ? stderr : `${stderr}\nkilled by ${signal}` };
}

/** As {@link run}, while others run. */
export function start(file: string, args: readonly string[], { cwd, env }: RunOptions): Promise<RunResult> {
  return new Promise((resolve) => {
    const child = execFile(file, args, { ...LIMITS, cwd, env: environment(env) }, (error, stdout, stderr) => {
      const why = error === null ? '' : `\n${error.message.split('\n')[0]}, ${error.signal ?? `code ${error.code}`}`;
      resolve({ status: child.exitCode, stdout, stderr: stderr + why });
    });
    child.stdin?.end();
  });
}

/** Runs to the end, which must be a success; returns what it printed. */
export function succeed(file: string, args: readonly string[], options: RunOptions): string {
  const { status, stdout, stderr } = run(file, args, options);
  if (status !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${status}\n${stdout}${stderr}`);
  return stdout;
}

let home: string | undefined;

/** A program of npm: `npm-cli.js`, `npx-cli.js`. */
export function npmProgram(name: string): string {
  home ??= join(
    execFileSync('npm', ['root', '--global'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim(),
    'npm',
    'bin',
  );
  return join(home, name);
}

/** Runs npm, by Node.js itself, so that it is found with any PATH. */
export function npm(args: readonly string[], options: RunOptions): string {
  const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--prefer-offline'];
  return succeed(options.node ?? process.execPath, [npmProgram('npm-cli.js'), ...args, ...quiet], options);
}
