/** Node.js of other versions and another architecture, from the npm packages that carry the binary. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/paths.js';
import { npm } from './npm.js';

export const X64_VERSIONS = ['22.23.3', '24.21.0', '26.10.0'] as const;
export const ARM64_VERSION = '24.21.0';

const HOME = join(ROOT, '.cache', 'nodes');

/** The path of that Node.js; fetched unless an earlier run did. */
export function fetchNode(arch: 'x64' | 'arm64', version: string): string {
  const home = join(HOME, `linux-${arch}-${version}`);
  const node = join(home, 'package', 'bin', 'node');
  if (existsSync(node)) return node;
  mkdirSync(HOME, { recursive: true });
  const partial = mkdtempSync(join(HOME, 'partial-'));
  try {
    npm(['pack', `node-linux-${arch}@${version}`, '--pack-destination', partial], { cwd: partial });
    execFileSync(
      'tar',
      ['-xzf', `node-linux-${arch}-${version}.tgz`, 'package/bin', 'package/include', 'package/package.json'],
      {
        cwd: partial,
      },
    );
    rmSync(join(partial, `node-linux-${arch}-${version}.tgz`));
    rmSync(home, { recursive: true, force: true });
    renameSync(partial, home);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return node;
}
