/** Starts one reproduction in a scratch folder, as a child process that may die or hang. */

import { spawn } from 'node:child_process';

/** How it ended, and what it printed. */
export interface Ended {
  /** Null: a signal ended it, or it ran out of time. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A reproduction that is still at work by then hangs; the longest takes half a minute. */
const GUARD = 300_000; // ms

/** Runs the command to its end, in a process group of its own, which is killed with all that it started. */
export function run(command: readonly string[], folder: string): Promise<Ended> {
  const [program = '', ...args] = command;
  const { PMEM_ASSUME_PERSISTENT, NODE_OPTIONS, ...env } = process.env;
  const child = spawn(program, args, { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const end = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // Nothing of it is left.
    }
  };
  const guard = setTimeout(end, GUARD);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', end);
    child.on('close', (code, signal) => {
      clearTimeout(guard);
      resolve({ code, signal, stdout, stderr });
    });
  });
}
