/** Suite `block`: sectors of a disk and of a BTT, compared with libpmemblk and with files. */

import { closeSync, fdatasyncSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatSize, Region } from 'pmem';
import { type BlockDevice, Btt, PmemDisk } from 'pmem/block';
import { loadLibpmemblk } from './libpmemblk.js';
import { type Batch, type CaseResult, type Contest, type Effort, measure, timed } from './measure.js';
import type { SuiteContext } from './run.js';

const SIZE = 96 * 2 ** 20;
/** Bytes that the operations walk through. */
const WINDOW = 64 * 2 ** 20;

/** Bytes of an operation and of a sector, and a number of operations that takes some 50 microseconds or more. */
const CASES: readonly [bytes: number, sectorSize: 512 | 4096, count: number][] = [
  [512, 512, 100],
  [4096, 4096, 50],
  [65536, 4096, 8],
];

type Kind = 'read' | 'write';

/** With fua, as a BTT's writes are always durable on return. */
function ours(device: BlockDevice, kind: Kind, bytes: Buffer): Batch {
  const sectors = bytes.length / device.sectorSize;
  const window = WINDOW / device.sectorSize;
  const fua = { fua: true };
  return timed((start, count) => {
    for (let i = start; i < start + count; i++) {
      const lba = (i * sectors) % window;
      if (kind === 'read') device.read(lba, bytes);
      else device.write(lba, bytes, fua);
    }
  });
}

function file(fd: number, kind: Kind, bytes: Buffer, sync: boolean): Batch {
  return timed((start, count) => {
    for (let i = start; i < start + count; i++) {
      const at = (i * bytes.length) % WINDOW;
      if (kind === 'read') {
        readSync(fd, bytes, 0, bytes.length, at);
        continue;
      }
      writeSync(fd, bytes, 0, bytes.length, at);
      if (sync) fdatasyncSync(fd);
    }
  });
}

/** A file of zeroes. It is written once, so that it has all its pages. */
function openFile(path: string): number {
  const fd = openSync(path, 'w+', 0o600);
  ftruncateSync(fd, SIZE);
  for (let at = 0; at < WINDOW; at += 2 ** 20) writeSync(fd, Buffer.alloc(2 ** 20), 0, 2 ** 20, at);
  return fd;
}

/** Every device, pool and file is written once before its measurement. */
function fill(device: BlockDevice): void {
  const piece = Buffer.alloc(2 ** 20);
  for (let at = 0; at < WINDOW; at += piece.length) device.write(at / device.sectorSize, piece);
  device.flush();
}

export function blockSuite({ directory, root }: SuiteContext, effort: Effort): CaseResult[] {
  const libpmemblk = loadLibpmemblk(root);
  const disk = mkdtempSync(join(tmpdir(), 'pmem-bench-'));
  const tmpfs = openFile(join(directory, 'file'));
  const onDisk = openFile(join(disk, 'file'));
  fdatasyncSync(onDisk);
  const regions: Region[] = [];
  const region = (name: string): Region => {
    const opened = Region.open(join(directory, name), {
      create: true,
      size: SIZE,
      assumePersistent: true,
      populate: true,
    });
    regions.push(opened);
    return opened;
  };
  try {
    const results: CaseResult[] = [];
    for (const [bytes, sectorSize, count] of CASES) {
      const raw = PmemDisk.open(region(`raw-${bytes}`), { sectorSize });
      const memory = region(`btt-${bytes}`);
      Btt.format(memory, { sectorSize });
      const btt = Btt.open(memory);
      for (const device of [raw, btt]) fill(device);
      const pool = libpmemblk?.create(join(directory, `pool-${bytes}`), sectorSize, SIZE);
      const source = Buffer.alloc(bytes, 0xa5);
      // libpmemblk does not read from memory the blocks that were never written.
      libpmemblk?.write(pool, source, WINDOW / sectorSize, 0, WINDOW / bytes);
      for (const [name, device] of Object.entries({ raw, btt })) {
        for (const kind of ['read', 'write'] as const) {
          const target = Buffer.alloc(bytes, 0x5a);
          const peers: Contest['peers'] = { tmpfs: file(tmpfs, kind, target, false) };
          if (kind === 'write') peers['disk'] = file(onDisk, kind, target, true);
          if (libpmemblk !== undefined && name === 'btt') {
            peers['libpmemblk'] = (start, n) => libpmemblk[kind](pool, target, WINDOW / sectorSize, start, n);
          }
          const one: Contest = {
            case: `${name} ${kind} ${formatSize(bytes)}`,
            count,
            ours: ours(device, kind, target),
            peers,
          };
          results.push(measure(one, effort));
        }
      }
      btt.close();
    }
    return results;
  } finally {
    for (const one of regions) one.close();
    closeSync(tmpfs);
    closeSync(onDisk);
    rmSync(disk, { recursive: true, force: true });
  }
}
