/** Other people's programs, as judges. */

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

/** Runs a program that must succeed, and returns its output. */
export function succeedTool(program: string, args: readonly string[], input = ''): string {
  const { status, stdout, stderr } = runTool(program, args, input);
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}\n${stdout}${stderr}`);
  return stdout;
}

/** The reason why a program does not run, by its name; undefined if it runs. */
const missing = new Map<string, unknown>();

function isMissing(program: string): unknown {
  if (!missing.has(program)) {
    try {
      runTool(program, ['--version']);
      missing.set(program, undefined);
    } catch (error) {
      missing.set(program, error);
    }
  }
  return missing.get(program);
}

/**
 * Skips the test if one of the programs is missing; throws in CI. Call it only in a test that compares with the program: test everything
 * else elsewhere.
 */
export function needsTool(context: Mocha.Context, ...programs: string[]): void {
  for (const program of programs) {
    const error = isMissing(program);
    if (error === undefined) continue;
    if (process.env['CI'] === 'true') throw error;
    console.log(`      skipped: no ${program}`);
    context.skip();
  }
}
