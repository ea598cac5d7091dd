/** The workloads that power cuts are tried on. */

import { type BttWorkload, randomRun } from './btt-crash.js';
import { SMALL } from './btt-images.js';

const KIB = 1024;

/** Memory for the sectors of a test and some more. */
function sized(sectorSize: 512 | 4096): Pick<BttWorkload, 'sectorSize' | 'size' | 'sectors'> {
  return { sectorSize, size: sectorSize === 512 ? 32 * KIB : 80 * KIB, sectors: 6 };
}

function workloads(sectorSize: 512 | 4096): Record<string, BttWorkload> {
  const base = sized(sectorSize);
  // Sectors of the first arena, where there are several.
  const edge = sectorSize === 512 ? 13 : 5;
  return {
    'first writes and overwrites': {
      ...base,
      run: ({ write }) => {
        write(1, [100]);
        write(0, [101]);
        write(1, [102]);
        write(1, [103]);
        write(0, [104]);
      },
    },
    'several sectors at a time, more than lanes': {
      ...base,
      format: { nfree: 3 },
      run: ({ write }) => {
        write(0, [100, 101, 102, 103, 104]);
        write(1, [200, 201, 202]);
        write(0, [300, 301]);
      },
    },
    'one lane': {
      ...base,
      format: { nfree: 1 },
      run: ({ write, zero, flush }) => {
        write(0, [100, 101]);
        zero(1, 1);
        write(2, [102]);
        flush();
        write(0, [103]);
      },
    },
    'discards and zeroes': {
      ...base,
      run: ({ write, zero, flush }) => {
        zero(0, 2, { discard: true });
        flush();
        write(0, [100]);
        zero(0, 1);
        write(1, [101]);
        zero(1, 2, { fua: true });
        write(0, [102]);
        zero(4, 2, { discard: true });
        flush();
      },
    },
    'recovery that goes on writing': {
      ...base,
      recoveryWrites: 4,
      run: ({ write }) => {
        write(0, [100, 101]);
        write(0, [102]);
        write(3, [103, 104]);
      },
    },
    'opened again': {
      ...base,
      recoveryWrites: 3,
      run: ({ write, reopen, zero }) => {
        write(0, [100]);
        reopen();
        write(0, [101, 102]);
        zero(2, 1);
        reopen();
        write(2, [103]);
      },
    },
    'a program that ended half-way, and another': {
      ...base,
      recoveryWrites: 3,
      run: ({ write, interruptWrite }) => {
        // Of one sector, ended before its entry of the flog counts, is durable, and before the map is changed and flushed.
        for (const call of [3, 4, 5, 6]) {
          interruptWrite(call % 2, [100 + call], call);
          write(2, [200 + call, 300 + call]);
        }
        // Of two, between their entries, and before the map.
        for (const call of [6, 10]) {
          interruptWrite(0, [400 + call, 500 + call], call);
          write(3, [600 + call]);
        }
      },
    },
    'UEFI layout, several arenas': {
      ...base,
      size: sectorSize === 512 ? 48 * KIB : 96 * KIB,
      format: { version: '2.0', nfree: 2 },
      limits: { ...SMALL, largest: sectorSize === 512 ? 24 * KIB : 48 * KIB },
      sectors: edge + 3,
      run: ({ write, zero }) => {
        write(edge - 2, [100, 101, 102, 103, 104]);
        zero(edge - 1, 2, { fua: true });
        write(edge - 1, [200, 201, 202]);
      },
    },
  };
}

export const WORKLOADS: Readonly<Record<string, BttWorkload>> = Object.fromEntries(
  ([512, 4096] as const).flatMap((sectorSize) =>
    Object.entries(workloads(sectorSize)).map(([name, one]) => [`${name}, ${sectorSize} B`, one] as const),
  ),
);

/** A workload of random operations. */
export function randomWorkload(sectorSize: 512 | 4096, seed: number, operations = 14): BttWorkload {
  const base = sized(sectorSize);
  const nfree = 1 + (seed % 4);
  return { ...base, format: { nfree }, recoveryWrites: seed % 3, run: randomRun(seed, operations, base.sectors, 4) };
}

/** Workloads that together need every flush and drain there is: what one makes durable by the way, another does not. */
export const NEEDING_EVERYTHING: readonly string[] = [
  'recovery that goes on writing, 512 B',
  'discards and zeroes, 4096 B',
  'several sectors at a time, more than lanes, 512 B',
  'a program that ended half-way, and another, 512 B',
];
