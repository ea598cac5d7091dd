// Runs the tests of the addon under AddressSanitizer and UndefinedBehaviorSanitizer, on a build of its own in a copy of the
// package under .cache/, so that build/ is left alone. Run it by `npm run test:asan`.

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const copy = join(root, '.cache', 'asan');
const gyp = join(root, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
const mocha = join(root, 'node_modules', 'mocha', 'bin', 'mocha.js');

for (const name of ['package.json', 'binding.gyp', 'native', 'dist', 'out', 'test']) {
  rmSync(join(copy, name), { recursive: true, force: true });
}
rmSync(join(copy, 'build'), { recursive: true, force: true });
mkdirSync(copy, { recursive: true });
for (const name of ['package.json', 'binding.gyp', 'native', 'dist', 'out']) {
  cpSync(join(root, name), join(copy, name), { recursive: true });
}
// The addon that stands for other people's handlers; its build, made with the plain compiler, is left behind.
cpSync(join(root, 'test', 'native'), join(copy, 'test', 'native'), {
  recursive: true,
  filter: (source) => !source.endsWith('build'),
});
if (!existsSync(join(copy, 'node_modules'))) symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));

const sanitize = '-fsanitize=address,undefined';
const flags = `${sanitize} -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g`;
const built = spawnSync(process.execPath, [gyp, 'rebuild'], {
  cwd: copy,
  stdio: ['ignore', 'ignore', 'inherit'],
  env: { ...process.env, CXX: 'g++', CXXFLAGS: flags, LDFLAGS: sanitize },
});
if (built.status !== 0) {
  console.error('test:asan: the addon could not be built with sanitizers; it needs g++ with libasan and libubsan');
  process.exit(1);
}

// Node.js is not built with sanitizers, so the libraries have to be there before it.
const library = (name) => execFileSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
const tests = [
  'out/test/{linux,memory}/**/*.test.js',
  'out/test/volatile/{arena,node-memory}.test.js',
  'out/test/native/*.test.js',
  ...process.argv.slice(2),
];
const { status, signal } = spawnSync(
  process.execPath,
  [mocha, '--no-package', '--no-config', '--node-option', 'expose-gc', '--reporter', './out/test/support/reporter.js']
    .concat(['--timeout', '3600000'])
    .concat(tests),
  {
    cwd: copy,
    stdio: 'inherit',
    env: {
      ...process.env,
      LD_PRELOAD: `${library('libasan.so')} ${library('libubsan.so')}`,
      // Node.js never frees much of what it has at exit; its signal handlers, and ours, are what is tested here.
      ASAN_OPTIONS: 'detect_leaks=0:handle_segv=0:handle_sigbus=0:allow_user_segv_handler=1:use_sigaltstack=0',
      UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
    },
  },
);
if (signal !== null) console.error(`test:asan: mocha was ended by ${signal}`);
process.exit(status ?? 1);
