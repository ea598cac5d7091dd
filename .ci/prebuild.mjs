// Builds prebuilds/linux-x64 and prebuilds/linux-arm64 (Node-API, stripped), in a copy under .cache/, because prebuildify
// takes the addon away from build/Release. Run it by `npm run build:prebuilds`; names of architectures as arguments build those.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const scratch = join(root, '.cache', 'prebuild');

const TOOLCHAINS = {
  x64: { prefix: 'x86_64-linux-gnu-', package: 'g++-x86-64-linux-gnu' },
  arm64: { prefix: 'aarch64-linux-gnu-', package: 'g++-aarch64-linux-gnu' },
};

function works(command) {
  const { error, status } = spawnSync(command, ['--version'], { stdio: 'ignore' });
  return error === undefined && status === 0;
}

/** The tools for an architecture: the machine's own, or a cross compiler. */
function toolchain(arch) {
  if (arch === process.arch) {
    const { CC: cc = 'gcc', CXX: cxx = 'g++' } = process.env;
    return { cc, cxx, strip: 'strip', package: 'g++' };
  }
  const { prefix, package: name } = TOOLCHAINS[arch];
  return { cc: `${prefix}gcc`, cxx: `${prefix}g++`, strip: `${prefix}strip`, package: name };
}

function fail(message) {
  console.error(`prebuild: ${message}`);
  process.exit(1);
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(TOOLCHAINS);
const unknown = wanted.filter((arch) => !Object.hasOwn(TOOLCHAINS, arch));
if (unknown.length > 0)
  fail(`no such architecture: ${unknown.join(', ')}. There are ${Object.keys(TOOLCHAINS).join(', ')}`);
if (process.platform !== 'linux') fail(`the addon is built on Linux; this is ${process.platform}`);

const builds = wanted.map((arch) => ({ arch, tools: toolchain(arch) }));
const missing = builds.filter(({ tools }) => ![tools.cxx, tools.strip, 'make'].every(works));
if (missing.length > 0) {
  const packages = ['make', ...missing.map(({ tools }) => tools.package)].join(' ');
  fail(`no compiler for ${missing.map(({ arch }) => arch).join(' and ')}. On Debian: apt-get install ${packages}`);
}

rmSync(scratch, { recursive: true, force: true });
mkdirSync(scratch, { recursive: true });
for (const name of ['package.json', 'binding.gyp', 'native']) {
  cpSync(join(root, name), join(scratch, name), { recursive: true });
}
symlinkSync(join(root, 'node_modules'), join(scratch, 'node_modules'));

const prebuildify = join(root, 'node_modules', 'prebuildify', 'bin.js');
for (const { arch, tools } of builds) {
  const { status } = spawnSync(
    process.execPath,
    [
      prebuildify,
      '--napi',
      '--strip',
      `--strip-bin=${tools.strip}`,
      `--arch=${arch}`,
      `--target=${process.versions.node}`,
      `--cache=${join(root, '.cache', 'headers')}`,
    ],
    {
      cwd: scratch,
      stdio: 'inherit',
      env: { JOBS: 'max', ...process.env, CC: tools.cc, CXX: tools.cxx, CC_target: tools.cc, CXX_target: tools.cxx },
    },
  );
  if (status !== 0) fail(`the build for ${arch} failed`);
}

// All or nothing, so that a package is never made of binaries of different sources.
const place = join(root, 'prebuilds');
if (process.argv.length === 2) rmSync(place, { recursive: true, force: true });
for (const { arch } of builds) {
  const name = `linux-${arch}`;
  rmSync(join(place, name), { recursive: true, force: true });
  cpSync(join(scratch, 'prebuilds', name), join(place, name), { recursive: true });
}
