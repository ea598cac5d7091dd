// Runs at installation. Builds the addon, unless the package has a binary that loads or the platform has none that could.
// Package managers that run no scripts of dependencies do without this.
'use strict';

const { spawnSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..');

// In a clone the binary can be older than the sources.
const isClone = existsSync(join(root, 'lib'));

function prebuildLoads() {
  try {
    require(join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'pmem.node'));
    return true;
  } catch {
    return false;
  }
}

if (process.platform === 'linux' && (isClone || !prebuildLoads())) {
  const { status, error } = spawnSync('node-gyp rebuild', { cwd: root, stdio: 'inherit', shell: true });
  if (error !== undefined || status !== 0) {
    console.error('pmem: the addon could not be built. It needs python3, make and a C++17 compiler.');
    process.exitCode = 1;
  }
}
