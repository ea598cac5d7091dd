/**
 * One table of attempts to map a DAX device, answered three times: by mmap(2) itself, by DaxDevice on the device, and by
 * DaxDevice on a file that emulates it. They agree but where the kernel would kill by SIGBUS later, where ours refuses at once, and
 * where the kernel makes something else of what was asked for, which ours refuses. The table says which, and how many.
 */

import assert from 'node:assert/strict';
import { closeSync, constants as fsConstants, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { getSystemErrorName } from 'node:util';
import { DaxDevice, MapFlags } from 'pmem/devdax';
import { type Answer, FREE, type Row, TAKEN, table, type Verdict } from '../../support/dax-table.js';
import { loadKernel } from '../../support/native.js';
import { everything } from '../machines.js';
import { place } from '../places.js';

export const machines = [everything];

const GIB = 2 ** 30;
const ALIGNMENTS = { 'dax-4k': 4096, 'dax-2m': 2 * 2 ** 20, 'dax-1g': GIB } as const;
const PROT_READ = 1;
const PROT_WRITE = 2;

function answerOf(number: number): Answer {
  if (number === 0) return 'ok';
  if (number === -constants.signals.SIGBUS) return 'SIGBUS';
  assert(number > 0, `killed by signal ${-number}`);
  return getSystemErrorName(-number) as Answer;
}

/** The first column: mmap(2). */
function byKernel(fd: number, row: Row): Answer {
  const protection = row.readOnly === true ? PROT_READ : PROT_READ | PROT_WRITE;
  const { flags = MapFlags.SHARED, address = 0n, offset, length } = row;
  return answerOf(loadKernel().attempt(fd, protection, flags, address, offset, length));
}

/** The others: DaxDevice, whose errors have the kernel's number. */
function byDevice(device: DaxDevice, row: Row): Answer {
  const { offset, length, flags, address, readOnly = false } = row;
  const given = { offset, length, readOnly, ...(flags === undefined ? {} : { flags }) };
  try {
    using region = device.map(address === undefined ? given : { ...given, address });
    region.load64(0);
    region.load64(region.size - 8);
    return 'ok';
  } catch (error) {
    const { errno } = error as { errno?: number };
    if (errno === undefined) throw error;
    return answerOf(errno);
  }
}

for (const [name, align] of Object.entries(ALIGNMENTS)) {
  describe(`DaxDevice.map, aligned to ${align}, against mmap(2) and emulated:`, () => {
    const file = () => join(place('disk').path, `like-${name}`);
    /** For storing, and for reading only. */
    let descriptors: readonly [number, number];
    let real: readonly [DaxDevice, DaxDevice];
    let emulated: readonly [DaxDevice, DaxDevice];
    let size = 0;

    before(() => {
      const { path } = place(name);
      descriptors = [openSync(path, fsConstants.O_RDWR), openSync(path, fsConstants.O_RDONLY)];
      real = [DaxDevice.open(path), DaxDevice.open(path, { readOnly: true })];
      ({ size } = real[0]);
      writeFileSync(file(), '');
      truncateSync(file(), size);
      const options = { align, emulate: true };
      emulated = [DaxDevice.open(file(), options), DaxDevice.open(file(), { ...options, readOnly: true })];
      assert.equal(loadKernel().occupy(TAKEN, align), 0);
    });

    after(() => {
      for (const device of [...real, ...emulated]) device.close();
      for (const fd of descriptors) closeSync(fd);
      rmSync(file());
    });

    // The names are there before the device is: the geometry is filled in when a row runs.
    for (const [i, { name: title, kernel, ours, verdict }] of table(align, 4 * align).entries()) {
      it(`${title}: ${verdict === 'agree' ? ours : `${ours}, ${verdict} (kernel: ${kernel})`}`, () => {
        const row = table(align, size)[i];
        assert(row !== undefined);
        const which = row.readOnlyDescriptor === true ? 1 : 0;
        assert.deepEqual(
          {
            kernel: byKernel(descriptors[which], row),
            device: byDevice(real[which], row),
            emulated: byDevice(emulated[which], row),
          },
          { kernel, device: ours, emulated: ours },
        );
      });
    }

    it('agrees in at least 40 rows, and says why not in the others', () => {
      const rows = table(align, 4 * align);
      const counts: Partial<Record<Verdict, number>> = {};
      for (const { name: title, kernel, ours, verdict } of rows) {
        counts[verdict] = (counts[verdict] ?? 0) + 1;
        const found: Verdict =
          kernel === ours ? 'agree' : kernel === 'SIGBUS' ? 'refused before SIGBUS' : 'stricter by our own rule';
        assert.equal(verdict, found, title);
        assert(kernel === ours || ours !== 'ok', `${title}: laxer than the kernel`);
      }
      console.log(`      ${rows.length} rows: ${JSON.stringify(counts)}`);
      assert((counts.agree ?? 0) >= 40);
    });

    if (align > 4096) {
      it('refuses an offset off the alignment with an address, where the kernel maps other bytes', () => {
        const offset = 4096n;
        using region = real[0].map({ length: align });
        region.store64(0, 0x1111n);
        region.store64(Number(offset), 0x2222n);
        const request = {
          offset,
          length: BigInt(align),
          address: FREE,
          flags: MapFlags.SHARED | MapFlags.FIXED,
        } as const;
        const row = {
          name: '',
          ...request,
          kernel: 'ok',
          ours: 'EINVAL',
          verdict: 'stricter by our own rule',
        } as const;
        assert.deepEqual([byDevice(real[0], row), byDevice(emulated[0], row)], ['EINVAL', 'EINVAL']);
        const read = PROT_READ | PROT_WRITE;
        const { attempt } = loadKernel();
        // 255: mapped, without an error, and what is there is not what was stored at that offset.
        assert.equal(attempt(descriptors[0], read, request.flags, FREE, offset, request.length, 0x2222n), 255);
      });
    }

    it('refuses with EBADF after close', () => {
      const { path } = place(name);
      const fd = openSync(path, fsConstants.O_RDWR);
      closeSync(fd);
      const row = {
        name: '',
        offset: 0n,
        length: BigInt(align),
        kernel: 'EBADF',
        ours: 'EBADF',
        verdict: 'agree',
      } as const;
      const closed = [DaxDevice.open(path), DaxDevice.open(file(), { align, emulate: true })];
      for (const device of closed) device.close();
      assert.deepEqual([byKernel(fd, row), ...closed.map((device) => byDevice(device, row))], Array(3).fill('EBADF'));
    });
  });
}
