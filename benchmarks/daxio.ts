/** The peer `daxio`: PMDK's tool, with a shim that presents files as devices. */

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const DAXIO = '/usr/bin/daxio';

/** Runs daxio with these arguments. It takes the files for devices. */
export type Daxio = (words: readonly string[], devices: readonly string[]) => void;

/** Undefined, with a note, if daxio is not installed. */
export function loadDaxio(root: string, directory: string): Daxio | undefined {
  if (!existsSync(DAXIO)) {
    process.stderr.write('daxio is not installed (apt-get install pmdk-tools): measuring without that peer\n');
    return undefined;
  }
  const shim = join(directory, 'daxio_shim.so');
  const source = join(root, 'benchmarks', 'native', 'daxio_shim.c');
  execFileSync('/usr/bin/cc', ['-shared', '-fPIC', '-O1', '-o', shim, source, '-ldl'], { stdio: 'inherit' });
  return (words, devices) => {
    const env = { ...process.env, LD_PRELOAD: shim, DAXIO_DEVICES: devices.join(':') };
    const { status, stderr } = spawnSync(DAXIO, ['--clear-bad-blocks=no', ...words], { env, encoding: 'utf8' });
    if (status !== 0) throw new Error(`daxio ${words.join(' ')}: ${stderr}`);
  };
}
