/**
 * Partition tables as util-linux and gdisk make them. They are kept (tables.json), so that what reads them can be tested without
 * these programs; `test/block/kept-tables.test.ts` compares them with what the programs make.
 */

import { closeSync, ftruncateSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './paths.js';
import { runTool, succeedTool } from './tools.js';

const MIB = 2 ** 20;
const SIZE = 64 * MIB;
const SECTOR = 512;

/** How a table is made. All that would be random is given. */
export interface Recipe {
  /** Of the disk, in bytes. */
  readonly size: number;
  /** Programs, the path being their last argument, and what they are told. */
  readonly steps: readonly (readonly [program: string, args: readonly string[], input?: string])[];
}

const GUID = '11111111-2222-3333-4444-555555555555';

/** The GUID of a partition. */
function uuid(number: number): string {
  return `AAAAAAAA-0000-4000-8000-${String(number).padStart(12, '0')}`;
}

function sfdisk(size: number, ...lines: string[]): Recipe {
  return { size, steps: [['sfdisk', ['-q'], `${lines.join('\n')}\n`]] };
}

function mbr(size: number, id: string, ...partitions: string[]): Recipe {
  return sfdisk(size, 'label: dos', `label-id: ${id}`, ...partitions);
}

function gpt(size: number, ...partitions: string[]): Recipe {
  const lines = partitions.map((line, i) => `${line},uuid=${uuid(i + 1)}`);
  return sfdisk(size, 'label: gpt', `label-id: ${GUID}`, ...lines);
}

/** sfdisk asks a device only for the size of its sectors. */
function fdisk(...answers: string[]): Recipe {
  return { size: SIZE, steps: [['fdisk', ['-b', '4096'], `${answers.join('\n')}\nw\n`]] };
}

const WHOLE = gpt(SIZE, 'start=2048,size=20480,type=L,name="root fs"', 'size=10240,type=U', 'size=4000,type=S');

export const RECIPES = {
  '3 TiB': gpt(3 * 2 ** 40, 'start=2048,size=20480', 'size=+'),
  '3 TiB, little of it in use': gpt(3 * 2 ** 40, 'start=2048,size=20480'),
  'an MBR': mbr(SIZE, '0x1', 'start=2048,size=20480,type=83,bootable', 'size=10240,type=c'),
  'an MBR without partitions': mbr(8 * MIB, '0x1'),
  'an MBR of tiny partitions and unknown types': mbr(8 * MIB, '0x1', 'start=40,size=1', 'start=50,size=3,type=1f'),
  'an MBR in disorder': mbr(SIZE, '0x2', 'start=30000,size=100', 'start=2048,size=100,type=82'),
  'an MBR of one partition': mbr(SIZE, '0x2', 'start=30000,size=100'),
  'an MBR of two partitions': mbr(SIZE, '0x2', 'start=30000,size=100', 'start=40000,size=100'),
  'logical partitions': mbr(
    SIZE,
    '0x1234abcd',
    'start=2048,size=2048,type=83,bootable',
    'size=2048,type=c',
    'size=2048,type=ef',
    'size=100000,type=5',
    'size=5000,type=83',
    'size=6000,type=82',
    'size=7000',
  ),
  'an extended partition without any': mbr(SIZE, '0x2', 'start=2048,size=100', 'size=50000,type=f'),
  'a GPT': WHOLE,
  'a GPT without partitions': gpt(8 * MIB),
  'a GPT of tiny partitions and unknown types': sfdisk(
    8 * MIB,
    'label: gpt',
    `label-id: ${GUID}`,
    'first-lba: 34',
    `start=40,size=1,uuid=${uuid(1)}`,
    `start=50,size=3,type=00000000-1234-1234-1234-123456781234,uuid=${uuid(2)}`,
  ),
  'a GPT in disorder': gpt(SIZE, 'start=40000,size=10', 'start=2048,size=10'),
  'a GPT with one partition of many': {
    size: SIZE,
    steps: [...gpt(SIZE).steps, ['sgdisk', ['-n', '100:2048:4095', '-t', '100:8300', '-u', `100:${uuid(100)}`]]],
  },
  'a GPT by sgdisk': {
    size: SIZE,
    steps: [
      [
        'sgdisk',
        [
          ...['-U', GUID, '-n', '1:0:+8M', '-t', '1:ef00', '-u', `1:${uuid(1)}`],
          ...['-n', '2:0:0', '-t', '2:fd00', '-u', `2:${uuid(2)}`],
        ],
      ],
    ],
  },
  'a hybrid MBR': { size: SIZE, steps: [...WHOLE.steps, ['sgdisk', ['-h', '1:2']]] },
  '4096: an MBR': fdisk('o', 'n', 'p', '1', '', '+8M', 'x', 'i', '0x5', 'r'),
  '4096: logical partitions': fdisk(
    ...['o', 'n', 'p', '1', '', '+8M', 'n', 'e', '2', '', ''],
    ...['n', 'l', '', '+4M', 'n', 'l', '', '+4M', 'x', 'i', '0x5', 'r'],
  ),
  '4096: a GPT': fdisk(
    ...['g', 'n', '1', '', '+8M', 'n', '2', '', '+4M'],
    ...['x', 'i', GUID, 'u', '1', uuid(1), 'u', '2', uuid(2), 'r'],
  ),
} satisfies Readonly<Record<string, Recipe>>;

export type TableName = keyof typeof RECIPES;

const BLANK = Buffer.alloc(SECTOR);

/** The sectors of 512 bytes that are not zeroes, in base64 up to their last byte that is none, by their numbers. */
export type Sectors = Readonly<Record<string, string>>;

const KEPT = join(ROOT, 'test', 'support', 'tables.json');
let kept: Readonly<Record<string, Sectors>> | undefined;

/** What is kept of a table. */
export function keptSectors(name: TableName): Sectors {
  kept ??= JSON.parse(readFileSync(KEPT, 'utf8')) as Readonly<Record<string, Sectors>>;
  return kept[name] ?? {};
}

/** Makes an image with the table, without any program. */
export function keptTable(name: TableName): (path: string) => void {
  return (path) => {
    const fd = openSync(path, 'w');
    try {
      ftruncateSync(fd, RECIPES[name].size);
      for (const [number, bytes] of Object.entries(keptSectors(name))) {
        writeSync(fd, Buffer.from(bytes, 'base64'), 0, null, Number(number) * SECTOR);
      }
    } finally {
      closeSync(fd);
    }
  };
}

/** What the programs make of it at the path. */
export function madeSectors(name: TableName, path: string): Sectors {
  const { size, steps }: Recipe = RECIPES[name];
  const fd = openSync(path, 'w+');
  try {
    ftruncateSync(fd, size);
    for (const [program, args, input] of steps) {
      // sgdisk ends with 0 or 2, and says too much either way, where it made a hybrid MBR.
      if (args.includes('-h')) runTool(program, [...args, path]);
      else succeedTool(program, [...args, path], input);
    }
    const found: Record<string, string> = {};
    // Tables lie at both ends, and between them no further in than the chain of logical partitions goes.
    const pieces = size > 128 * MIB ? [0, size - 2 * MIB] : [0];
    for (const at of pieces) {
      const bytes = Buffer.alloc(pieces.length > 1 ? 2 * MIB : size);
      readSync(fd, bytes, 0, bytes.length, at);
      for (let sector = 0; sector < bytes.length; sector += SECTOR) {
        const one = bytes.subarray(sector, sector + SECTOR);
        if (one.equals(BLANK)) continue; // nearly all are, and looking at each byte takes a second for an image
        const end = one.findLastIndex((byte) => byte !== 0) + 1;
        found[String((at + sector) / SECTOR)] = one.subarray(0, end).toString('base64');
      }
    }
    return found;
  } finally {
    closeSync(fd);
  }
}
