import assert from 'node:assert/strict';
import { closeSync, openSync, writeSync } from 'node:fs';
import { Region } from 'pmem';
import { capacity, HEADER_SIZE, makeRecord, place, RECORD_SIZE, type Scan, scan } from '#dist/cli/demo/record.js';
import { throwsCode } from '../support/errors.js';
import { onDisk } from '../support/temp.js';

const SIZE = 16384;
const MOST = capacity(SIZE);

describe('scan of the records of the demo', () => {
  const file = onDisk();

  /** A file with `count` good records, changed by hand, scanned as after a crash. */
  function scanned(count: number, change: (image: Buffer, path: string) => void = () => {}): Scan {
    const path = file('image');
    const made = Region.open(path, { create: true, size: SIZE });
    for (let number = 1; number <= count; number++) makeRecord(made, made.view(), number, 1);
    const image = Buffer.from(made.view());
    made.close();
    change(image, path);
    const fd = openSync(path, 'r+');
    writeSync(fd, image, 0, SIZE, 0);
    closeSync(fd);
    const region = Region.open(path, { readOnly: true });
    try {
      return scan(region);
    } finally {
      region.close();
    }
  }

  it('has places up to the end of the file, and none past it', () => {
    assert.ok(place(MOST) + RECORD_SIZE <= SIZE);
    assert.ok(place(MOST + 1) + RECORD_SIZE > SIZE);
    assert.equal(place(1), HEADER_SIZE);
  });

  it('finds no record in an empty file', () => {
    assert.deepEqual(scanned(0), { good: 0, next: 'empty' });
  });

  it('finds every whole record', () => {
    assert.deepEqual(scanned(1), { good: 1, next: 'empty' });
    assert.deepEqual(scanned(17), { good: 17, next: 'empty' });
    assert.deepEqual(scanned(MOST), { good: MOST, next: 'end' });
  });

  it('refuses a record cut at any byte', () => {
    for (let kept = 1; kept < RECORD_SIZE; kept++) {
      const result = scanned(5, (image) => image.fill(0, place(5) + kept, place(6)));
      assert.deepEqual(result, { good: 4, next: 'unfinished' }, `kept ${kept}`);
    }
  });

  it('refuses a record without any one of its cache lines', () => {
    for (let line = 0; line < RECORD_SIZE; line += 64) {
      const result = scanned(3, (image) => image.fill(0, place(3) + line, place(3) + line + 64));
      assert.deepEqual(result, { good: 2, next: 'unfinished' }, `line ${line}`);
    }
  });

  it('refuses a record with any one byte changed', () => {
    for (let at = 0; at < RECORD_SIZE; at++) {
      const result = scanned(2, (image) => {
        image.writeUInt8(image.readUInt8(place(2) + at) ^ 0x10, place(2) + at);
      });
      assert.deepEqual(result, { good: 1, next: 'unfinished' }, `byte ${at}`);
    }
  });

  it('stops at the first torn record, even if good ones follow', () => {
    const result = scanned(9, (image) => image.fill(0xff, place(4) + 64, place(4) + 72));
    assert.deepEqual(result, { good: 3, next: 'unfinished' });
  });

  it('stops at a hole', () => {
    assert.deepEqual(
      scanned(9, (image) => image.fill(0, place(4), place(5))),
      { good: 3, next: 'empty' },
    );
  });

  it('refuses a good record in the wrong place', () => {
    const result = scanned(4, (image) => image.copy(image, place(5), place(3), place(4)));
    assert.deepEqual(result, { good: 4, next: 'unfinished' });
  });

  it('lets the next writer replace a torn record', () => {
    const path = file('continued');
    const region = Region.open(path, { create: true, size: SIZE });
    for (let number = 1; number <= 3; number++) makeRecord(region, region.view(), number, 1);
    region.fill(place(3) + 100, 50, 0xaa);
    assert.deepEqual(scan(region), { good: 2, next: 'unfinished' });
    makeRecord(region, region.view(), 3, 2);
    assert.deepEqual(scan(region), { good: 3, next: 'empty' });
    region.close();
  });

  it('throws if a record has a good checksum and a payload that was never written', () => {
    const path = file('forged');
    const region = Region.open(path, { create: true, size: SIZE });
    makeRecord(region, region.view(), 1, 1);
    const at = place(1);
    region.view().writeUInt32LE(12345, at + 16);
    region.view().writeUInt32LE(region.crc32c(at, 188), at + 188);
    throwsCode(() => scan(region), 'ERR_PMEM_DEMO', { message: /record 1 has a good checksum/ });
    region.close();
  });
});
