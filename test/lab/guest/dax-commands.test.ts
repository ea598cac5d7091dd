/** `pmem dax` on devices of the kernel, beside daxctl, and daxio, which reads what we copied and writes what we read. */

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Region } from 'pmem';
import { copyDevice, DaxRegion } from 'pmem/devdax';
import { rejectsCode } from '../../support/errors.js';
import { ROOT } from '../../support/paths.js';
import { Random } from '../../support/random.js';
import { hmem } from '../machines.js';

export const machines = [hmem];

const MIB = 2 ** 20;
const MAIN = join(ROOT, 'dist', 'cli', 'main.js');

function pmem(...words: string[]): string {
  return execFileSync(process.execPath, [MAIN, 'dax', ...words], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

interface Listed {
  readonly chardev: string;
  readonly size: number;
  readonly mode: string;
}

function daxctl(): Listed[] {
  const text = execFileSync('daxctl', ['list', '--devices'], { encoding: 'utf8' });
  return text.trim() === '' ? [] : ([JSON.parse(text)].flat() as Listed[]);
}

describe('pmem dax on a region of the kernel', () => {
  const directory = mkdtempSync(join(tmpdir(), 'dax-'));
  const bytes = new Random(11).bytes(5 * MIB + 123);
  const file = join(directory, 'in');
  const out = join(directory, 'out');
  let device = '';

  before(() => {
    for (const instance of DaxRegion.find().instances) instance.destroy();
    writeFileSync(file, bytes);
    const made = JSON.parse(pmem('create', '--size', '64MiB', '--json'));
    device = made.path;
    assert.equal(made.chardev, 'dax0.0');
  });
  after(() => {
    rmSync(directory, { recursive: true });
    // As the kernel makes it, for who comes next.
    const region = DaxRegion.find();
    for (const instance of region.instances) instance.destroy();
    region.create();
  });

  it('create makes what daxctl lists, and list shows what daxctl does', () => {
    const theirs = daxctl().map(({ chardev, size, mode }) => ({ chardev, size, mode }));
    const ours = (JSON.parse(pmem('list', '--json')) as Listed[]).map(({ chardev, size, mode }) => ({
      chardev,
      size,
      mode,
    }));
    assert.deepEqual(theirs, [{ chardev: 'dax0.0', size: 64 * MIB, mode: 'devdax' }]);
    assert.deepEqual(ours, theirs);
    const [region] = JSON.parse(pmem('list', '--regions', '--json'));
    const [listed] = [JSON.parse(execFileSync('daxctl', ['list', '--regions'], { encoding: 'utf8' }))].flat();
    assert.deepEqual([region.id, region.size, region.available_size], [listed.id, listed.size, listed.available_size]);
    assert.match(pmem('list'), /^DEVICE .*\ndax0\.0 +\/dev\/dax0\.0 +devdax +64 MiB +2 MiB +hmem/);
    assert.match(pmem('list', '--target-node', '7'), /no such DAX device/);
  });

  it('info shows a device, and that its faults are guaranteed', () => {
    const { guarantee, emulated, align, mappings } = JSON.parse(pmem('info', 'dax0.0', '--json'));
    assert.deepEqual([guarantee.given, guarantee.verifiedBy, emulated, align], [true, 'smaps', false, 2 * MIB]);
    assert.equal(mappings.length, 1);
    assert.match(pmem('info', device), /page faults +guaranteed/);
  });

  it('copy writes what daxio reads', () => {
    pmem('copy', '-i', file, '-o', device, '--seek', '3MiB', '--verify');
    execFileSync('daxio', ['-i', device, '-o', out, '-k', String(3 * MIB), '-l', String(bytes.length)], {
      stdio: 'pipe',
    });
    assert(readFileSync(out).equals(bytes));
    rmSync(out);
  });

  it('copy reads what daxio writes', () => {
    execFileSync('daxio', ['--clear-bad-blocks=no', '-i', file, '-o', device, '-s', '4097'], { stdio: 'pipe' });
    pmem('copy', '-i', device, '-o', out, '--skip', '4097', '--length', String(bytes.length), '--verify');
    assert(readFileSync(out).equals(bytes));
  });

  it('copy --zero zeroes its range, and nothing else', () => {
    pmem('copy', '--zero', '-o', device, '--seek', '4098', '--length', '1MiB', '--verify');
    using region = Region.open(device, { readOnly: true });
    const wanted = Buffer.concat([bytes.subarray(0, 1), Buffer.alloc(MIB), bytes.subarray(MIB + 1)]);
    assert(region.view(4097, bytes.length).equals(wanted));
  });

  it('copy refuses what does not fit, and a device that another process has open', async () => {
    await rejectsCode(copyDevice({ input: file, output: device, seek: 62 * MIB }), 'ENOSPC');
    await rejectsCode(copyDevice({ input: device, output: out, skip: 64 * MIB + 1 }), 'ERR_OUT_OF_RANGE');
    using region = Region.open(device);
    const { status, stderr } = spawnSync(process.execPath, [MAIN, 'dax', 'copy', '-i', file, '-o', device], {
      encoding: 'utf8',
    });
    assert.equal(status, 1);
    assert.match(stderr, /ERR_PMEM_LOCKED/);
    assert.equal(region.closed, false);
  });

  it('destroy wants --yes, refuses a device in use, and gives the memory back', () => {
    const destroy = (...words: string[]) =>
      spawnSync(process.execPath, [MAIN, 'dax', 'destroy', 'dax0.0', ...words], { encoding: 'utf8' });
    assert.match(destroy().stderr, /ERR_PMEM_NOT_CONFIRMED.*64 MiB.*--yes/);
    const region = Region.open(device);
    assert.match(destroy('--yes').stderr, /EBUSY/);
    region.close();
    assert.equal(destroy('--yes').stdout, 'dax0.0: destroyed, 64 MiB are available again\n');
    assert.deepEqual(daxctl(), []);
    assert.match(destroy('--yes').stderr, /ENODEV: the kernel has no DAX device 'dax0\.0'/);
  });

  it('destroy --zero leaves zeroes, and refuses a device that another process has open', () => {
    const again = () => {
      assert.equal(JSON.parse(pmem('create', '--size', '64MiB', '--json')).chardev, 'dax0.0');
      return Region.open('/dev/dax0.0');
    };
    const destroy = (...words: string[]) =>
      spawnSync(process.execPath, [MAIN, 'dax', 'destroy', 'dax0.0', '--yes', ...words], { encoding: 'utf8' });
    const first = again();
    first.fill(0, first.size, 0x55); // memory that forgets at power-off cannot persist
    assert.match(destroy('--zero').stderr, /EBUSY/);
    assert(first.view().every((byte) => byte === 0x55));
    first.close();
    destroy();
    const kept = again();
    assert(kept.view().every((byte) => byte === 0x55));
    kept.close();
    assert.equal(destroy('--zero').stdout, 'dax0.0: zeroed and destroyed, 64 MiB are available again\n');
    const clean = again();
    assert(clean.view().every((byte) => byte === 0));
    clean.close();
    assert.equal(destroy().status, 0);
  });
});
