/** Mocha's command line, the same in a guest and on this machine. */

import { join } from 'node:path';
import { ROOT } from '../support/paths.js';

/** `timeout` is what a test may take, in seconds. */
export function mochaCommand(files: readonly string[], grep: RegExp | undefined, timeout: number): string[] {
  return [
    ...[
      process.execPath,
      '--enable-source-maps',
      '--expose-gc',
      join(ROOT, 'node_modules', 'mocha', 'bin', 'mocha.js'),
    ],
    ...['--no-package', '--reporter', join(ROOT, 'out', 'test', 'support', 'reporter.js')],
    ...['--timeout', String(timeout * 1000)],
    ...(process.stdout.isTTY ? ['--color'] : []),
    ...(grep === undefined ? [] : ['--grep', String(grep)]),
    ...files,
  ];
}
