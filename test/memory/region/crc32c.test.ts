/** CRC32C against RFC 3720's vectors and the definition, by instruction and by table. */

import assert from 'node:assert/strict';
import type { Region } from 'pmem';
import { childValue } from '../../support/child.js';
import { throwsCode } from '../../support/errors.js';
import { newRegion } from '../../support/regions.js';
import { onDisk } from '../../support/temp.js';

const SEED = 3720;

/** Mismatches of random pieces with the definition, bit by bit; runs in a process of its own. */
async function mismatches(path: string, seed: number): Promise<string[]> {
  const { Region: Opened, cpuPaths } = await import('pmem');
  const { Random } = await import(`${process.cwd()}/out/test/support/random.js`);
  const size = 256 * 1024;
  const random = new Random(seed);
  const region = Opened.open(path, { create: true, size, assumePersistent: true });
  const bytes: Buffer = random.bytes(size);
  region.write(0, bytes);
  const table = Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0x82f63b78 : 0);
    return value >>> 0;
  });
  const defined = (from: number, length: number, start: number) => {
    let crc = ~start;
    for (let i = from; i < from + length; i++) crc = (crc >>> 8) ^ (table[(crc ^ (bytes[i] ?? 0)) & 0xff] ?? 0);
    return ~crc >>> 0;
  };
  const found: string[] = [cpuPaths().crc32c];
  for (let i = 0; i < 400; i++) {
    // Around the borders of the blocks that run side by side, and anywhere.
    const near = random.pick([0, 8, 3 * 256, 6 * 256, 3 * 8192, 6 * 8192]) + random.below(17) - 8;
    const length = Math.max(0, random.below(2) === 0 ? near : random.below(60000));
    const offset = random.below(size - length + 1);
    const start = random.below(2 ** 32);
    if (region.crc32c(offset, length, start) !== defined(offset, length, start)) {
      found.push(`${length} bytes at ${offset} from ${start}, seed ${seed}`);
    }
  }
  region.close();
  return found;
}

describe('Region.crc32c', () => {
  const file = onDisk();
  let region: Region;
  before(() => {
    region = newRegion(file('crc'), 65536);
  });
  after(() => region.close());

  // RFC 3720, appendix B.4.
  const ascending = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
  const readCommand = Buffer.from(
    '01c000000000000000000000000000001400000000000400000000140000001828000000000000000200000000000000',
    'hex',
  );
  for (const [name, bytes, crc] of [
    ['32 bytes of zeroes', Buffer.alloc(32), 0x8a9136aa],
    ['32 bytes of ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
    ['32 ascending bytes', ascending, 0x46dd794e],
    ['32 descending bytes', Buffer.from(ascending).reverse(), 0x113fdb5c],
    ['an iSCSI SCSI Read (10) command', readCommand, 0xd9963a56],
    ['the digits 1 to 9', Buffer.from('123456789'), 0xe3069283],
    ['nothing', Buffer.alloc(0), 0],
  ] as const) {
    it(`returns the CRC of ${name}`, () => {
      region.write(100, bytes);
      assert.equal(region.crc32c(100, bytes.length), crc);
    });
  }

  it('continues a CRC', () => {
    region.write(0, Buffer.from('123456789'));
    assert.equal(region.crc32c(4, 5, region.crc32c(0, 4)), 0xe3069283);
  });

  for (const path of ['instruction', 'table']) {
    it(`matches the definition on random pieces, by ${path}`, async () => {
      const [used, ...wrong] = await childValue(mismatches, [file(path), SEED], { env: { PMEM_CRC32C: path } });
      assert.equal(used, path);
      assert.deepEqual(wrong, []);
    });
  }

  it('refuses a seed that is no CRC', () => {
    for (const crc of [-1, 2 ** 32, 0.5, Number.NaN]) throwsCode(() => region.crc32c(0, 1, crc), 'ERR_OUT_OF_RANGE');
  });
});
