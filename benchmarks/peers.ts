/** Suite `peers`: a record of 256 B, durable on return, against what a Node.js program would use instead. */

import { closeSync, fdatasyncSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Region } from 'pmem';
import { type Batch, type CaseResult, type Effort, measure, timed } from './measure.js';
import type { SuiteContext } from './run.js';

const RECORD = 256;
const RECORDS = 16_384;
const SIZE = RECORD * RECORDS;

/** A store that takes records by number, and forgets the oldest when it has all of them. */
interface Store {
  readonly batch: Batch;
  close(): void;
}

/** What is used of better-sqlite3. */
interface Sqlite {
  pragma(text: string): unknown;
  exec(text: string): unknown;
  prepare(text: string): { run(...parameters: unknown[]): unknown };
  close(): void;
}

/** What is used of lmdb. */
interface Lmdb {
  open(options: Record<string, unknown>): { putSync(key: number, value: Buffer): unknown; close(): Promise<void> };
}

const load = createRequire(import.meta.url);

/** A peer that is not installed is left out, and that is said. */
function optional<T>(name: string): T | undefined {
  try {
    return load(name) as T;
  } catch {
    process.stderr.write(`note: without ${name}, which is not installed: npm install --no-save ${name}\n`);
    return undefined;
  }
}

/** Stores one record after the other, round and round. */
function each(store: (slot: number, record: Buffer) => void): Batch {
  const record = Buffer.alloc(RECORD, 0xa5);
  return timed((start, count) => {
    for (let i = start; i < start + count; i++) {
      record.writeUInt32LE(i, 0);
      store(i % RECORDS, record);
    }
  });
}

function pmem(path: string, assumePersistent: boolean): Store {
  const region = Region.open(path, { create: true, size: SIZE, populate: true, assumePersistent });
  return {
    batch: each((slot, record) => region.write(RECORD * slot, record, 'persist')),
    close: () => region.close(),
  };
}

/** Overwrites a file that has its size and blocks: what a careful program does, since a growing file costs more. */
function file(path: string): Store {
  const fd = openSync(path, 'w+', 0o600);
  ftruncateSync(fd, SIZE);
  for (let at = 0; at < SIZE; at += 2 ** 20) writeSync(fd, Buffer.alloc(2 ** 20), 0, 2 ** 20, at);
  fdatasyncSync(fd);
  return {
    batch: each((slot, record) => {
      writeSync(fd, record, 0, RECORD, RECORD * slot);
      fdatasyncSync(fd);
    }),
    close: () => closeSync(fd),
  };
}

/** Write-ahead log, synced at each commit: `synchronous` is NORMAL in better-sqlite3 otherwise, which does not sync there. */
function sqlite(Database: new (path: string) => Sqlite, path: string): Store {
  const database = new Database(path);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.exec('CREATE TABLE records (slot INTEGER PRIMARY KEY, bytes BLOB)');
  const put = database.prepare('INSERT OR REPLACE INTO records VALUES (?, ?)');
  return { batch: each((slot, record) => put.run(slot, record)), close: () => database.close() };
}

/** Its default on Linux lets a commit return before it is on the disk (overlappingSync). */
function lmdb({ open }: Lmdb, path: string): Store {
  const database = open({ path, encoding: 'binary', overlappingSync: false, mapSize: 2 ** 28 });
  return {
    batch: each((slot, record) => database.putSync(slot, record)),
    close: () => void database.close(),
  };
}

type OpenStore = (path: string) => Store;

/** What there is to compare with. */
function peers(): Record<string, OpenStore> {
  const Database = optional<new (path: string) => Sqlite>('better-sqlite3');
  const library = optional<Lmdb>('lmdb');
  return {
    'fs + fdatasync': file,
    ...(Database === undefined ? {} : { SQLite: (path: string) => sqlite(Database, path) }),
    ...(library === undefined ? {} : { lmdb: (path: string) => lmdb(library, path) }),
  };
}

interface Place {
  readonly name: string;
  readonly directory: string;
  /** On tmpfs flushed stores are taken for durable, on a disk an msync makes them so. */
  readonly isAssumed: boolean;
  /** Operations in one timed batch. */
  readonly count: number;
}

function contest(place: Place, open: Record<string, OpenStore>, effort: Effort): CaseResult {
  const { name, directory, isAssumed, count } = place;
  const at = (store: string) => join(directory, store.replaceAll(/\W+/g, '-'));
  const stores = Object.entries(open).map(([peer, make]): [string, Store] => [peer, make(at(peer))]);
  const ours = pmem(at('region'), isAssumed);
  try {
    const batches = Object.fromEntries(stores.map(([peer, { batch }]) => [peer, batch]));
    const one = { case: `record of ${RECORD} B, ${name}`, count, ours: ours.batch, peers: batches };
    return measure(one, effort, 20 * count);
  } finally {
    for (const [, store] of stores) store.close();
    ours.close();
  }
}

export function peersSuite({ directory }: SuiteContext, effort: Effort): CaseResult[] {
  const disk = mkdtempSync(join(tmpdir(), 'pmem-bench-'));
  const places: Place[] = [
    { name: 'in memory', directory, isAssumed: true, count: 100 },
    { name: 'on disk', directory: disk, isAssumed: false, count: 2 },
  ];
  try {
    const open = peers();
    return places.map((place) => contest(place, open, effort));
  } finally {
    rmSync(disk, { recursive: true, force: true });
  }
}
