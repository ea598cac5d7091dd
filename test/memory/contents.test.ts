/** What formatters take for data: marks at the places that the specifications name, and what the tools make. */

import assert from 'node:assert/strict';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { PmemError } from 'pmem';
import { contentsOf, type ReadableBytes, refuseUnlessBlank } from '#dist/memory/contents.js';
import { throwsCode } from '../support/errors.js';
import { makeImage } from '../support/images.js';
import { onTmpfs } from '../support/temp.js';
import { needsTool, succeedTool } from '../support/tools.js';

const KIB = 1024;
const MIB = 2 ** 20;
const SIZE = 8 * MIB;

class Bytes implements ReadableBytes {
  readonly bytes: Buffer;
  readonly bad = new Set<number>();

  constructor(size: number) {
    this.bytes = Buffer.alloc(size);
  }

  get size(): number {
    return this.bytes.length;
  }

  read(offset: number, target: Uint8Array): void {
    for (const at of this.bad) {
      if (at >= offset && at < offset + target.length) throw new PmemError('ERR_PMEM_MEDIA', 'the media is at fault');
    }
    assert(offset >= 0 && offset + target.length <= this.size);
    target.set(this.bytes.subarray(offset, offset + target.length));
  }
}

describe('contentsOf', () => {
  it('is undefined where the first and the last MiB are all 0x00 or all 0xFF', () => {
    for (const [head, tail] of [
      [0, 0],
      [0xff, 0xff],
      [0, 0xff],
      [0xff, 0],
    ] as const) {
      const memory = new Bytes(SIZE);
      memory.bytes
        .fill(0x5a)
        .fill(head, 0, MIB)
        .fill(tail, SIZE - MIB);
      assert.equal(contentsOf(memory), undefined, `${head}, ${tail}`);
    }
  });

  it('is data where one byte there differs', () => {
    for (const size of [1, 2, 4096, MIB, MIB + 1, 2 * MIB - 1, 2 * MIB, SIZE]) {
      for (const at of new Set([0, Math.min(size, MIB) - 1, Math.max(0, size - MIB), size - 1])) {
        for (const [rest, byte] of [
          [0, 1],
          [0, 0xff],
          [0xff, 0],
        ] as const) {
          if (size === 1 && byte !== 1) continue; // a single byte of either is blank
          const memory = new Bytes(size);
          memory.bytes.fill(rest)[at] = byte;
          assert.equal(contentsOf(memory), 'data', `byte ${at} of ${size}`);
        }
      }
    }
  });

  it('is data where all bytes are the same, but neither 0x00 nor 0xFF', () => {
    const memory = new Bytes(SIZE);
    memory.bytes.fill(0x5a);
    assert.equal(contentsOf(memory), 'data');
  });

  it('is undefined of a memory without bytes', () => {
    assert.equal(contentsOf(new Bytes(0)), undefined);
  });

  it('names the first byte that cannot be read', () => {
    for (const at of [0, 5000, MIB - 1, SIZE - MIB, SIZE - 1]) {
      const memory = new Bytes(SIZE);
      memory.bad.add(at);
      assert.equal(contentsOf(memory), `what cannot be read at byte ${at - (at % 4096)}`);
    }
    const between = new Bytes(SIZE);
    between.bad.add(SIZE / 2);
    assert.equal(contentsOf(between), undefined);
    const known = new Bytes(SIZE);
    known.bad.add(9000);
    known.bytes.write('XFSB', 0, 'latin1');
    assert.equal(contentsOf(known), 'an XFS file system');
  });

  it('is named by refuseUnlessBlank, which accepts blank memory', () => {
    const memory = new Bytes(SIZE);
    refuseUnlessBlank('mkfs', 'the disk', memory);
    memory.bytes.write('XFSB', 0, 'latin1');
    throwsCode(() => refuseUnlessBlank('mkfs', 'the disk', memory), 'ERR_PMEM_IN_USE', {
      message: /^mkfs: the disk holds an XFS file system; force destroys it$/,
    });
  });

  const end = SIZE;
  const marks: [specification: string, what: RegExp, at: number, bytes: string][] = [
    ['UEFI 2.11, 5.3.2: the primary header', /GPT/, 512, 'EFI PART'],
    ['UEFI 2.11, 5.3.2: the backup header, in the last sector', /GPT/, end - 512, 'EFI PART'],
    ['UEFI 2.11, 5.3.2: sectors of 4096 bytes', /GPT/, end - 4096, 'EFI PART'],
    ['OpenZFS on-disk format, 1.3.3: the list of label 0', /ZFS/, 16 * KIB + 20, '\0\0\0\x07version'],
    ['OpenZFS on-disk format, 1.2.1: label 3', /ZFS/, end - 256 * KIB + 16 * KIB + 20, '\0\0\0\x07version'],
    ['OpenZFS on-disk format, 1.3.4: an uberblock', /ZFS/, 128 * KIB, '\x0c\xb1\xba\0\0\0\0\0'],
    ['OpenZFS on-disk format, 1.3.4: one of the other endianness', /ZFS/, 128 * KIB, '\0\0\0\0\0\xba\xb1\x0c'],
    ['md(4): version 0.90, 64 KiB before the end', /MD RAID/, end - 64 * KIB, '\xfc\x4e\x2b\xa9'],
    ['md(4): version 1.0, 8 KiB before the end', /MD RAID/, end - 8 * KIB, '\xfc\x4e\x2b\xa9'],
    ['md(4): version 1.1', /MD RAID/, 0, '\xfc\x4e\x2b\xa9'],
    ['md(4): version 1.2', /MD RAID/, 4096, '\xfc\x4e\x2b\xa9'],
    ['LVM2, label.h: the fourth sector', /LVM/, 1536, 'LABELONE'],
    ['SNIA DDF 2.0, 5.4: the anchor header', /DDF/, end - 512, '\xde\x11\xde\x11'],
    ['ECMA-119, 8.1.2: the first volume descriptor', /ISO 9660/, 32_769, 'CD001'],
    ['ECMA-167, 2/9.1: the extended area', /UDF/, 32_769, 'BEA01'],
    ['Microsoft exFAT, 3.1.2: FileSystemName', /exFAT/, 3, 'EXFAT   '],
    ['the LUKS on-disk format, 2.1', /LUKS/, 0, 'LUKS\xba\xbe'],
    ['Linux, magic.h: EROFS_SUPER_MAGIC_V1', /EROFS/, 1024, '\xe2\xe1\xf5\xe0'],
    ['Linux, magic.h: BTRFS_SUPER_MAGIC', /Btrfs/, 65_600, '_BHRfS_M'],
    ['a VMFS volume, behind a blank MiB', /VMFS/, MIB, '\x0d\xd0\x01\xc0'],
  ];
  for (const [specification, what, at, bytes] of marks) {
    it(`names the format by its signature, after ${specification}`, () => {
      const memory = new Bytes(SIZE);
      memory.bytes.write(bytes, at, 'latin1');
      assert.match(String(contentsOf(memory)), what);
    });
  }

  describe('names what the tools make:', () => {
    const file = onTmpfs();

    function named(size: number, make: (path: string) => void): string | undefined {
      const path = file('image');
      makeImage(path, size);
      make(path);
      const fd = openSync(path, 'r');
      try {
        return contentsOf({
          size: fstatSync(fd).size,
          read: (offset, target) => assert.equal(readSync(fd, target, 0, target.length, offset), target.length),
        });
      } finally {
        closeSync(fd);
      }
    }

    const made: readonly [what: string, program: string, args: readonly string[], input: string][] = [
      ['an ext2, ext3 or ext4 file system', 'mkfs.ext4', ['-q', '-F'], ''],
      ['swap space', 'mkswap', [], ''],
      ['a GPT', 'sfdisk', ['-q'], 'label: gpt\nsize=1M\n'],
      ['an MBR or a boot sector', 'sfdisk', ['-q'], 'label: dos\nsize=1M\n'],
    ];
    for (const [what, program, args, input] of made) {
      it(`${what}, made by ${program}`, function () {
        needsTool(this, program);
        const make = (path: string) => void succeedTool(program, [...args, path], input);
        assert.equal(named(SIZE, make), what);
      });
    }
  });
});
