/** Programs of other people, as judges. */

import { spawnSync } from 'node:child_process';

const ENVIRONMENT = { LC_ALL: 'C', PATH: `${process.env['PATH']}:/usr/sbin:/sbin` };

/** How a program ended. */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, in the C locale. */
export function runTool(program: string, args: readonly string[], input = ''): Outcome {
  const { status, stdout, stderr, error } = spawnSync(program, [...args], {
    input,
    env: ENVIRONMENT,
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  return { status, stdout, stderr };
}

/** Runs a program that has to succeed; returns what it printed. */
export function succeedTool(program: string, args: readonly string[], input = ''): string {
  const { status, stdout, stderr } = runTool(program, args, input);
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}\n${stdout}${stderr}`);
  return stdout;
}

/** Skips the suite where one of the programs is missing; in CI they have to be there. Call in `describe`. */
export function needsTools(...programs: string[]): void {
  before(function () {
    for (const program of programs) {
      try {
        runTool(program, ['--version']);
      } catch (error) {
        if (process.env['CI'] === 'true') throw error;
        console.log(`      skipped: no ${program}`);
        this.skip();
      }
    }
  });
}
