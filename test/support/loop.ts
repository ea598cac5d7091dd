/** Loop devices: real block devices on any machine with root. */

import { execFileSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { needsRoot } from './root.js';
import { succeedTool } from './tools.js';

/** Runs a system program. Its output is in the error if it fails. */
export function run(program: string, ...args: string[]): string {
  return succeedTool(program, args);
}

export interface LoopDevices {
  /** Makes a device on a new sparse file. */
  attach(image: string, mib: number): string;
  /** Makes another device on a file that exists. */
  attachTo(path: string): string;
}

/** Loop devices for the tests of a suite. Each is unmounted and detached after its test. Call it in `describe`. */
export function loopDevices(): LoopDevices {
  const devices: string[] = [];
  before(function () {
    needsRoot(this);
    try {
      execFileSync('losetup', ['-f'], { stdio: 'pipe' });
    } catch (error) {
      if (process.env['CI'] === 'true') throw error;
      console.log(`      skipped: no loop devices: ${String(error)}`);
      this.skip();
    }
  });
  afterEach(() => {
    for (const device of devices.splice(0).reverse()) run('losetup', '-d', device);
  });
  const attachTo = (path: string) => {
    const device = run('losetup', '-P', '-f', '--show', path).trim();
    devices.push(device);
    return device;
  };
  return {
    attach: (image, mib) => {
      writeFileSync(image, '');
      truncateSync(image, mib * 2 ** 20);
      return attachTo(image);
    },
    attachTo,
  };
}
