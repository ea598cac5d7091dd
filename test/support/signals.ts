/** The addon of test/native, which stands for other people's signal handlers. Loaded in child processes only. */

import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './paths.js';

const HOME = join(ROOT, 'test', 'native');

/** What the addon offers; `place` is 0 or 1. */
export interface SignalsAddon {
  /** Installs a handler for SIGSEGV and SIGBUS: see {@link Mode}, {@link Flag}. `plain`: without SA_SIGINFO. */
  install(place: number, mode: number, flags: number, plain: number): void;
  /** Puts back what was there when it was installed. */
  reset(place: number): void;
  setDefault(): void;
  /** Stores where it may not; true when a handler jumped out of it. */
  fault(signal: number): boolean;
  /** Calls of handler 0 by SIGSEGV and SIGBUS, of 1 likewise, wrong addresses seen, 1 if either signal is blocked. */
  state(): number[];
}

/** Builds the addon where it is missing or older than its source. */
export function buildSignals(): string {
  const built = join(HOME, 'build', 'Release', 'signals.node');
  const source = join(HOME, 'signals.cc');
  if (!existsSync(built) || statSync(built).mtimeMs < statSync(source).mtimeMs) {
    const gyp = join(ROOT, 'node_modules', '.bin', 'node-gyp');
    const { LD_PRELOAD, CXXFLAGS, LDFLAGS, ...env } = process.env;
    execFileSync(gyp, ['rebuild', '--directory', HOME], { env, stdio: 'pipe' });
  }
  return built;
}
