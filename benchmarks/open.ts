/** Suite `open`: a region's cost does not depend on its size. */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Region } from 'pmem';
import { type CaseResult, type Effort, quantile } from './measure.js';
import type { OpenOnce } from './open-once.js';
import type { SuiteContext } from './run.js';

const NAME = 'open, view the far end, close 1 TiB';

/** In a new process, which has loaded the modules and compiled nothing else. */
function once(path: string): OpenOnce {
  const script = fileURLToPath(new URL('open-once.js', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, path], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the process that opens once failed:\n${stderr}`);
  return JSON.parse(stdout) as OpenOnce;
}

function firstTime(path: string, effort: Effort): CaseResult {
  const runs = Array.from({ length: effort.rounds }, () => once(path));
  const elapsed = runs.map((run) => run.elapsed);
  const memory = runs.map((run) => run.memory / 2 ** 20);
  process.stdout.write(
    `1 TiB, first time in a process: ${(quantile(elapsed, 0.5) / 1e6).toFixed(2)} ms, at most ${(Math.max(...elapsed) / 1e6).toFixed(2)} ms; ` +
      `extra memory ${quantile(memory, 0.5).toFixed(2)} MiB, at most ${Math.max(...memory).toFixed(2)} MiB\n`,
  );
  const ours = { median_ns: quantile(elapsed, 0.5), p99_ns: quantile(elapsed, 0.99) };
  return { case: `${NAME}, first time in a process`, ours, peers: {}, ratio: {} };
}

/** Opens a sparse file of 1 TiB, reads its end and closes it, in a new process each time. */
export function openSuite({ directory }: SuiteContext, effort: Effort): CaseResult[] {
  const path = join(directory, 'sparse.pmem');
  Region.open(path, { create: true, sparse: true, size: '1TiB' }).close();
  return [firstTime(path, effort)];
}
