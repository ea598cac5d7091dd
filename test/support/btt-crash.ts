/** What power cuts do to a BTT: workloads for the explorer, and what may be found afterwards. */

import assert from 'node:assert/strict';
import type { Memory } from 'pmem';
import { Btt, type BttFormatOptions, type BttSectorSize } from 'pmem/block';
import type { Crash, CrashContext, CrashOptions } from 'pmem/testing';
import type { ArenaLimits } from '#dist/block/btt/layout.js';
import { formatSmall } from './btt-images.js';
import { Interrupted, InterruptedMemory } from './interrupted-memory.js';
import { Random } from './random.js';

/** One operation, as the check wants to know it. Sectors hold numbers; 0 is a sector of zeroes. */
export interface Change {
  readonly kind: 'write' | 'interrupted' | 'zero' | 'flush' | 'nothing';
  readonly lba: number;
  readonly values: readonly number[];
  readonly fua?: boolean;
}

/** A sector that tells its number in every byte, and its place. */
export function sectorOf(value: number, lba: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  if (value === 0) return bytes;
  // Sizes that are no multiples of 8 come from damaged images.
  for (let i = 0; i + 8 <= size; i += 8) bytes.writeUInt32LE(value, i);
  for (let i = 4; i + 4 <= size; i += 8) bytes.writeUInt32LE(lba + 1, i);
  return bytes;
}

/** What each sector may hold: the value it has, and those that a power cut may bring back. */
class Model {
  readonly #current: number[];
  readonly #allowed: Set<number>[];

  constructor(initial: readonly number[]) {
    this.#current = [...initial];
    this.#allowed = initial.map((value) => new Set([value]));
  }

  apply({ kind, lba, values, fua }: Change, isRunning: boolean): void {
    for (const [i, value] of values.entries()) {
      const allowed = this.#allowed[lba + i] as Set<number>;
      if (!isRunning && kind === 'write') allowed.clear();
      allowed.add(value);
      this.#current[lba + i] = value;
    }
    if (isRunning || (kind !== 'flush' && !(fua === true && kind === 'zero'))) return;
    for (const [i, value] of this.#current.entries()) this.#allowed[i] = new Set([value]);
  }

  /** A sector, read after the power cut. */
  check(bytes: Buffer, lba: number): void {
    const allowed = [...(this.#allowed[lba] as Set<number>)];
    if (allowed.some((value) => bytes.equals(sectorOf(value, lba, bytes.length)))) return;
    const found = [...new Set(Array.from({ length: bytes.length / 8 }, (_, i) => bytes.readUInt32LE(8 * i)))];
    assert.fail(`sector ${lba} holds ${found.join(' and ')}; only ${allowed.join(' or ')} would do`);
  }
}

/** What a workload does to a device. */
export interface Actions {
  write(lba: number, values: readonly number[]): void;
  zero(lba: number, count: number, options?: { fua?: boolean; discard?: boolean }): void;
  flush(): void;
  /** Closes the device and opens it again. */
  reopen(): void;
  /** The program ends at a call that the write makes to the memory, from 0, and another one opens the device: no power was cut. */
  interruptWrite(lba: number, values: readonly number[], call: number): void;
}

export interface BttWorkload {
  readonly sectorSize: BttSectorSize;
  readonly size: number;
  readonly format?: BttFormatOptions;
  readonly limits?: ArenaLimits;
  /** Sectors that the workload uses; recovery that writes uses the next one. */
  readonly sectors: number;
  /** Write so many times after opening, so that recovery's own stores are explored. */
  readonly recoveryWrites?: number;
  readonly run: (actions: Actions) => void;
}

type Device = Pick<Btt, 'read' | 'write' | 'writeZeroes' | 'discard' | 'flush' | 'close' | 'sectorSize'>;

/** Sectors have their number plus 1 at the beginning, written one by one, so that the map is not the initial one. */
export function prepared({ sectors, sectorSize, format, limits }: BttWorkload, memory: Memory): void {
  formatSmall(memory, { sectorSize, nfree: 2, force: true, ...format }, limits);
  const btt = Btt.open(memory);
  for (let lba = 0; lba < sectors; lba += 2) btt.write(lba, sectorOf(lba + 1, lba, sectorSize));
  btt.close();
}

function initial(sectors: number): number[] {
  return Array.from({ length: sectors }, (_, lba) => (lba % 2 === 0 ? lba + 1 : 0));
}

/** The options of an exploration of a workload; `open` makes the device, a correct one or not. */
export function exploration(
  workload: BttWorkload,
  open: (memory: Memory) => Device = (memory) => Btt.open(memory),
): CrashOptions<Device, Change> {
  const { sectorSize, sectors, recoveryWrites = 0 } = workload;
  const models = new WeakMap<Crash<Change>, Model>();
  return {
    size: workload.size,
    setup: (memory) => prepared(workload, memory),
    // The caller of the memory is the caller of the object in between.
    skipFrames: /interrupted-memory/,
    workload: (media, crash: CrashContext<Change>) => {
      const memory = new InterruptedMemory(media);
      let device = open(memory);
      const step = (name: string, run: () => void, change: Change): void => crash.operation(name, run, change);
      const reopen = (): void => {
        device.close();
        const run = (): void => {
          device = open(memory);
        };
        step('open again', run, { kind: 'nothing', lba: 0, values: [] });
      };
      workload.run({
        reopen,
        interruptWrite: (lba, values, call) => {
          const bytes = Buffer.concat(values.map((value, i) => sectorOf(value, lba + i, sectorSize)));
          const end = (): void => {
            throw new Interrupted();
          };
          memory.arm({ at: call, run: end });
          const name = `write ${values.join(', ')} from ${lba} on, ended at call ${call}`;
          const run = (): void => {
            assert.throws(() => device.write(lba, bytes), Interrupted);
          };
          step(name, run, { kind: 'interrupted', lba, values });
          reopen();
        },
        write: (lba, values) => {
          const bytes = Buffer.concat(values.map((value, i) => sectorOf(value, lba + i, sectorSize)));
          step(`write ${values.join(', ')} from ${lba} on`, () => device.write(lba, bytes), {
            kind: 'write',
            lba,
            values,
          });
        },
        zero: (lba, count, { fua = false, discard = false } = {}) => {
          const change: Change = { kind: 'zero', lba, values: new Array<number>(count).fill(0), fua: fua && !discard };
          const run = () => (discard ? device.discard(lba, count) : device.writeZeroes(lba, count, { fua }));
          step(`zero ${count} from ${lba} on`, run, change);
        },
        flush: () => step('flush', () => device.flush(), { kind: 'flush', lba: 0, values: [] }),
      });
      device.close();
    },
    recover: (memory) => {
      const device = open(memory);
      const bytes = sectorOf(0xffff, sectors, sectorSize);
      for (let i = 0; i < recoveryWrites; i++) device.write(sectors, bytes);
      return device;
    },
    check: (device, crash, memory) => {
      let model = models.get(crash);
      if (model === undefined) {
        model = new Model(initial(sectors));
        for (const { detail } of crash.finished) if (detail !== undefined) model.apply(detail, false);
        if (crash.running?.detail !== undefined) model.apply(crash.running.detail, true);
        models.set(crash, model);
      }
      const bytes = Buffer.alloc(sectorSize);
      for (let lba = 0; lba < sectors; lba++) {
        device.read(lba, bytes);
        model.check(bytes, lba);
      }
      // It goes on working.
      const fresh = sectorOf(0xfffe, 1, sectorSize);
      device.write(1, fresh);
      device.read(1, bytes);
      assert.ok(bytes.equals(fresh));
      device.close();
      const { problems } = Btt.check(memory);
      assert.deepEqual(
        problems.filter(({ code }) => code !== 'flog-map'),
        [],
      );
    },
  };
}

/** Random operations, the same for the same seed. */
export function randomRun(seed: number, operations: number, sectors: number, most: number): BttWorkload['run'] {
  return (actions) => {
    const random = new Random(seed);
    for (let i = 0; i < operations; i++) {
      const lba = random.below(sectors);
      const count = 1 + random.below(Math.min(most, sectors - lba));
      const kind = random.below(10);
      if (kind < 6)
        actions.write(
          lba,
          Array.from({ length: count }, (_, at) => 1000 * (i + 1) + at),
        );
      else if (kind < 8) actions.zero(lba, count, { fua: random.below(2) === 0, discard: kind === 7 });
      else if (kind === 8) actions.flush();
      else actions.reopen();
    }
  };
}
