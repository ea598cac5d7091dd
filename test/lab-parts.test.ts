/** The parts of the lab that need no guest. */

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { compiled, pattern } from './lab/collect.js';
import { judged } from './lab/jobs.js';
import { unpackKernel } from './lab/kernel.js';
import { everything } from './lab/machines.js';
import { qemuArguments } from './lab/qemu.js';
import { kept, Toolbox } from './lab/toolbox.js';
import { ROOT } from './support/paths.js';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pmem-lab-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('The option --grep of the lab', () => {
  it('matches text literally', () => {
    assert(pattern('fork(2)').test('a child made by fork(2) has'));
    assert(!pattern('a|b').test('a'));
    assert(pattern('a|b').test('a|b'));
  });

  it('matches a regular expression between slashes', () => {
    assert(pattern('/^a.c$/').test('abc'));
    assert(pattern('/ABC/i').test('abc'));
    assert.throws(() => pattern('/(/'), SyntaxError);
  });

  it('means to mocha what it means to the lab', () => {
    assert.deepEqual([String(pattern('fork(2)')), String(pattern('/a b/i'))], ['/fork\\(2\\)/', '/a b/i']);
  });
});

describe('The verdict on a run of tests', () => {
  const line = (passed: number, failed: number, skipped: number) => `${JSON.stringify({ passed, failed, skipped })}\n`;
  const verdict = (results: string, code: number | null) => {
    let printed = '';
    const counts = judged(results, code, 'how it ended', (text) => {
      printed += text;
    });
    return { ...counts, told: printed.includes('how it ended') };
  };

  it('is the sum of the counts', () => {
    assert.deepEqual(verdict(line(3, 0, 1) + line(2, 0, 0), 0), { passed: 5, failed: 0, skipped: 1, told: false });
    assert.deepEqual(verdict(line(3, 2, 0), 2), { passed: 3, failed: 2, skipped: 0, told: false });
  });

  it('has one more failure if nothing was counted, nothing ran, or the end contradicts the counts', () => {
    assert.deepEqual(verdict('', 0), { passed: 0, failed: 1, skipped: 0, told: true });
    assert.deepEqual(verdict(line(0, 0, 0), 0), { passed: 0, failed: 1, skipped: 0, told: true });
    assert.deepEqual(verdict(line(4, 0, 0), null), { passed: 4, failed: 1, skipped: 0, told: true });
  });
});

describe('The cache of the lab', () => {
  const make = (text: string) => (path: string) => {
    mkdirSync(path);
    writeFileSync(join(path, 'text'), text);
  };
  const read = (path: string) => readFileSync(join(path, 'text'), 'utf8');

  it('makes a thing once, and again after a change of its recipe', () => {
    assert.equal(read(kept(directory, 'thing', '1', make('first'))), 'first');
    assert.equal(read(kept(directory, 'thing', '1', make('again'))), 'first');
    assert.equal(read(kept(directory, 'thing', '2', make('second'))), 'second');
    assert.deepEqual(readdirSync(directory), ['thing-2']);
  });

  it('keeps nothing unfinished', () => {
    const fail = () => {
      throw new Error('no network');
    };
    assert.throws(() => kept(directory, 'thing', '1', fail), /no network/);
    assert.deepEqual(readdirSync(directory), []);
  });

  it('keeps what another process finished first', () => {
    const path = kept(directory, 'thing', '1', (mine) => {
      kept(directory, 'thing', '1', make('the other'));
      make('mine')(mine);
    });
    assert.equal(read(path), 'the other');
    assert.deepEqual(readdirSync(directory), ['thing-1']);
  });
});

describe('The kernel image of the lab', () => {
  const ELF = Buffer.concat([Buffer.from('\x7fELF', 'latin1'), Buffer.alloc(5000, 7)]);

  /** A boot image with the payload behind two sectors of set-up, as the boot protocol has it. */
  function packed(payload: Buffer): Toolbox {
    const head = Buffer.alloc(3 * 512);
    head.writeUInt8(2, 0x1f1);
    head.writeUInt32LE(100, 0x248);
    head.writeUInt32LE(payload.length, 0x24c);
    mkdirSync(join(directory, 'usr', 'lib', 'modules', '6.1'), { recursive: true });
    mkdirSync(join(directory, 'boot'));
    writeFileSync(
      join(directory, 'boot', 'vmlinuz-6.1'),
      Buffer.concat([head, Buffer.alloc(100), payload, Buffer.alloc(9)]),
    );
    return new Toolbox(directory);
  }

  it('is unpacked if its compression is known', () => {
    const file = join(directory, 'vmlinux');
    assert.equal(unpackKernel(packed(gzipSync(ELF)), file), file);
    assert(readFileSync(file).equals(ELF));
  });

  it('is booted as it is if its compression is not known', () => {
    const image = unpackKernel(packed(Buffer.from('something else')), join(directory, 'vmlinux'));
    assert.equal(image, join(directory, 'boot', 'vmlinuz-6.1'));
  });
});

describe('A machine of the lab', () => {
  it('has the devices that it declares, each with a file', () => {
    const tools = Object.assign(new Toolbox('/tools, with a comma'), { kernel: '/kernel', initramfs: '/initramfs' });
    const start = { machine: everything, images: directory, folder: directory, ports: { output: 3 } };
    const text = qemuArguments(tools, start).join(' ');
    assert.match(text, /memmap=0x4000000\$0x50000000 memmap=0x4000000!0x60000000/);
    assert.match(text, /path=\/tools,, with a comma,mount_tag=tools/);
    assert.equal(text.match(/-device nvdimm,/g)?.length, 2);
    assert.deepEqual(readdirSync(directory).sort(), ['bar', 'disk-empty', 'disk-ext4', 'nvdimm0', 'nvdimm1']);
  });

  it('runs the compiled file of a source', () => {
    assert.equal(compiled(join(ROOT, 'test', 'a', 'b.test.ts')), join(ROOT, 'out', 'test', 'a', 'b.test.js'));
    assert.equal(compiled('/elsewhere/c.test.js'), '/elsewhere/c.test.js');
  });
});
