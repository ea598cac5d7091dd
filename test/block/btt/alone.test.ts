/** Exclusion of the users of a BTT in one process. */

import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type Memory, Region } from 'pmem';
import { Btt } from 'pmem/block';
import { formatSmall } from '../../support/btt-images.js';
import { rejectsCode, throwsCode } from '../../support/errors.js';
import { PlainMemory } from '../../support/plain-memory.js';
import { newRegion } from '../../support/regions.js';
import { onDisk } from '../../support/temp.js';
import { messageOf } from '../../support/worker.js';

declare const gc: () => void;

const BUSY = 'ERR_PMEM_BUSY';

/** What is refused while another user stores, or may. */
function assertNobodyElse(memory: Memory): void {
  throwsCode(() => Btt.open(memory), BUSY);
  throwsCode(() => Btt.open(memory, { readOnly: true }), BUSY);
  throwsCode(() => Btt.check(memory), BUSY);
  throwsCode(() => Btt.check(memory, { repair: true }), BUSY);
}

describe('A BTT', () => {
  const file = onDisk();

  function region(name: string): Region {
    const made = newRegion(file(name), '256KiB');
    formatSmall(made, { sectorSize: 512 });
    return made;
  }

  /** Ends the regions whatever happens. */
  function on(name: string, work: (first: Region) => void): void {
    const first = region(name);
    try {
      work(first);
    } finally {
      first.close();
    }
  }

  it('that is open is refused through another Region of the file', () => {
    on('twice', (first) => {
      using second = Region.open(first.path);
      const btt = Btt.open(first);
      assertNobodyElse(second);
      btt.close();
      const reader = Btt.open(second, { readOnly: true });
      Btt.check(first);
      throwsCode(() => Btt.open(first), BUSY);
      reader.close();
      Btt.open(first).close();
    });
  });

  it('that is open is refused through a slice of the Region, unless the slices do not overlap', () => {
    on('slices', (first) => {
      const slice = first.slice(0, first.size);
      const btt = Btt.open(slice);
      assertNobodyElse(first);
      btt.close();
      const [front, back] = [first.slice(0, 128 * 1024), first.slice(128 * 1024)];
      formatSmall(front, { force: true });
      formatSmall(back, { force: true });
      const one = Btt.open(front);
      const other = Btt.open(back);
      assertNobodyElse(first);
      one.close();
      other.close();
    });
  });

  it('that another thread has open is refused until that thread has closed it or has ended', async () => {
    const first = region('thread');
    const source = `
      const { parentPort, workerData } = require('node:worker_threads');
      Promise.all([import('pmem'), import('pmem/block')]).then(([{ Region }, { Btt }]) => {
        const region = Region.attach(workerData);
        let btt = Btt.open(region);
        parentPort.on('message', () => {
          if (btt !== undefined) btt.close();
          else btt = Btt.open(region);
          if (btt.closed) btt = undefined;
          parentPort.postMessage('done');
        });
        parentPort.postMessage('open');
      });`;
    const worker = new Worker(source, { eval: true, workerData: first.share() });
    assert.equal(await messageOf(worker), 'open');
    assertNobodyElse(first);
    worker.postMessage('close');
    await messageOf(worker);
    const btt = Btt.open(first);
    btt.close();
    worker.postMessage('open');
    await messageOf(worker);
    assertNobodyElse(first);
    await worker.terminate();
    Btt.open(first).close();
    first.close();
  });

  it('that was forgotten counts as open until it is collected', async () => {
    const first = region('forgotten');
    (() => void Btt.open(first))();
    for (let i = 0; i < 50; i++) {
      gc();
      await setImmediate();
      try {
        Btt.open(first).close();
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== BUSY || i === 49) throw error;
      }
    }
    first.close();
  });

  it('whose Region was closed does not count as open', () => {
    on('closed', (first) => {
      Btt.open(first);
      first.close();
      using again = Region.open(first.path);
      Btt.open(again).close();
    });
  });

  it('is refused while a check or a format is under way', async () => {
    const makers: [name: string, make: (name: string) => Memory & { close?: () => void }][] = [
      ['memory', () => new PlainMemory(2 ** 25)],
      ['region', (name) => newRegion(file(name), '32MiB')],
    ];
    for (const [name, make] of makers) {
      const memory = make(`under-way-${name}`);
      let steps = 0;
      await Btt.formatAsync(memory, {
        sectorSize: 512,
        onProgress: () => {
          steps++;
          assertNobodyElse(memory);
          throwsCode(() => Btt.format(memory, { force: true }), BUSY);
        },
      });
      await Btt.checkAsync(memory, {
        repair: true,
        onProgress: () => {
          steps++;
          assertNobodyElse(memory);
        },
      });
      await Btt.checkAsync(memory, {
        onProgress: () => {
          steps++;
          throwsCode(() => Btt.open(memory), BUSY);
          Btt.open(memory, { readOnly: true }).close();
          Btt.check(memory);
        },
      });
      assert.ok(steps >= 3);
      // Both begin before one has come far.
      const both = [Btt.formatAsync(memory, { force: true }), Btt.formatAsync(memory, { force: true })] as const;
      await rejectsCode(both[1], BUSY);
      await both[0];
      Btt.open(memory).close();
      memory.close?.();
    }
  });

  it('can be opened again after a check or a format was given up', async () => {
    const memory = new PlainMemory(2 ** 25);
    const fail = (): never => {
      throw new Error('enough');
    };
    await assert.rejects(Btt.formatAsync(memory, { onProgress: fail }), /enough/);
    Btt.format(memory, { force: true });
    await assert.rejects(Btt.checkAsync(memory, { repair: true, onProgress: fail }), /enough/);
    const control = new AbortController();
    const stop = { signal: control.signal, onProgress: () => control.abort(new Error('too')) };
    await Btt.formatAsync(memory, { force: true, sectorSize: 512, ...stop }).catch(() => {});
    Btt.format(memory, { force: true });
    throwsCode(() => Btt.format(memory), 'ERR_PMEM_IN_USE');
    Btt.open(memory).close();
  });
});
