/** Running the built command as its users do. */

import { execFileSync, spawn } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../support/paths.js';

const MAIN = join(ROOT, 'dist', 'cli', 'main.js');

/** How the command ended, and what it printed. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Its stdout is a pipe whose reader has left before it starts. */
  readonly closeStdout?: boolean;
  /** Called with the process and what it has printed so far, each time it prints. */
  readonly onOutput?: (text: string, kill: (signal: NodeJS.Signals) => void) => void;
}

/** The environment without what would change the command's answers. */
function environment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const { PMEM_ASSUME_PERSISTENT, NO_COLOR, FORCE_COLOR, NODE_OPTIONS, ...inherited } = process.env;
  return { ...inherited, ...extra };
}

/** The end of a pipe that is written to, which nobody reads any more. */
function unreadPipe(): number {
  const directory = mkdtempSync(join(tmpdir(), 'pmem-test-'));
  try {
    const path = join(directory, 'pipe');
    execFileSync('mkfifo', [path]);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const writer = openSync(path, constants.O_WRONLY);
    closeSync(reader);
    return writer;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Runs `pmem` with these words to its end. */
export function pmem(
  words: readonly string[],
  { cwd = ROOT, env, closeStdout, onOutput }: RunOptions = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const unread = closeStdout === true ? unreadPipe() : undefined;
    const child = spawn(process.execPath, [MAIN, ...words], {
      cwd,
      env: environment(env),
      stdio: ['ignore', unread ?? 'pipe', 'pipe'],
    });
    if (unread !== undefined) closeSync(unread);
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      onOutput?.(stdout, (signal) => child.kill(signal));
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}
