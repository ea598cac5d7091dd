/** Mocha's command line, the same in a guest and on this machine. */

import { join } from 'node:path';
import { ROOT } from '../support/paths.js';

/** What a test may take in a guest whose CPU is emulated. */
const TEST_TIMEOUT = 120_000;

export function mochaCommand(files: readonly string[], grep: string | undefined): string[] {
  return [
    ...[
      process.execPath,
      '--enable-source-maps',
      '--expose-gc',
      join(ROOT, 'node_modules', 'mocha', 'bin', 'mocha.js'),
    ],
    ...['--no-package', '--reporter', join(ROOT, 'out', 'test', 'support', 'reporter.js')],
    ...['--timeout', String(TEST_TIMEOUT)],
    ...(process.stdout.isTTY ? ['--color'] : []),
    ...(grep === undefined ? [] : ['--grep', grep]),
    ...files,
  ];
}
