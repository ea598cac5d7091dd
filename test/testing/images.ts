/** All images that exploreCrashes makes of a program, and all that a plainer model gives. */

import type { Memory } from 'pmem';
import { exploreCrashes } from 'pmem/testing';
import type { Random } from '../support/random.js';

/** A step of a program, as data. */
export type Step =
  | {
      readonly op: 'write';
      readonly offset: number;
      readonly bytes: Buffer;
      readonly mode?: 'store' | 'flush' | 'persist';
    }
  | { readonly op: 'fill'; readonly offset: number; readonly length: number; readonly byte: number }
  | { readonly op: 'store64'; readonly offset: number; readonly value: bigint }
  | { readonly op: 'flush' | 'persist'; readonly offset: number; readonly length: number }
  | { readonly op: 'drain' };

export function perform(memory: Memory, step: Step): void {
  switch (step.op) {
    case 'write':
      memory.write(step.offset, step.bytes, step.mode);
      break;
    case 'fill':
      memory.fill(step.offset, step.length, step.byte);
      break;
    case 'store64':
      memory.store64(step.offset, step.value);
      break;
    case 'drain':
      memory.drain();
      break;
    default:
      memory[step.op](step.offset, step.length);
  }
}

/** Performs the step on a slice around its range. */
export function performOnSlice(memory: Memory, step: Step, random: Random): void {
  if (step.op === 'drain') {
    memory.slice(random.below(memory.size)).drain();
    return;
  }
  const length = step.op === 'write' ? step.bytes.length : step.op === 'store64' ? 8 : step.length;
  const begin = random.below(step.offset + 1);
  const end = step.offset + length + random.below(memory.size - step.offset - length + 1);
  const part = memory.slice(begin, end - begin);
  const moved = { ...step, offset: step.offset - begin };
  if (moved.op === 'persist' && random.below(2) === 0) part.persistAll([{ offset: moved.offset, length }]);
  else if (random.below(2) === 0) perform(part, moved);
  else performOnSlice(part, moved, random);
}

/** The images of each crash point, in hexadecimal; every image must have been made. */
export function exploredImages(size: number, workload: (memory: Memory) => void, lineOffset = 0): Set<string>[] {
  const points: Set<string>[] = [];
  const statistics = exploreCrashes({
    size,
    lineOffset,
    budget: 1e9,
    recoveryDepth: 0,
    prune: false,
    workload,
    recover(memory) {
      const bytes = Buffer.alloc(size);
      memory.read(0, bytes);
      return bytes.toString('hex');
    },
    check(image, { point }) {
      let images = points[point];
      if (images === undefined) {
        images = new Set();
        points[point] = images;
      }
      images.add(image);
    },
  });
  if (statistics.exhausted !== statistics.crashPoints) throw new Error('some images were not made');
  return points;
}

/** A part of a store that arrives or not, or of which a half may arrive. */
interface Atom {
  readonly at: number;
  readonly bytes: Buffer;
  readonly tears: boolean;
}

/** The lower and the upper half of the bytes that an atom changes. */
function halves(base: Buffer, { at, bytes }: Atom): [Atom[], Atom[]] {
  const single = [...bytes].map((byte, i) => ({ at: at + i, bytes: Buffer.of(byte), tears: false }));
  const changing = single.filter((one) => base[one.at] !== one.bytes[0]);
  const half = Math.floor(changing.length / 2);
  return [changing.slice(0, half), changing.slice(half)];
}

/** One line: its durable bytes, the stores since, each made of atoms, and how many of these are flushed. */
interface Line {
  base: Buffer;
  stores: Atom[][];
  flushed: number;
}

function applied(base: Buffer, atoms: readonly Atom[]): Buffer {
  const bytes = Buffer.from(base);
  for (const atom of atoms) atom.bytes.copy(bytes, atom.at);
  return bytes;
}

/** All bytes that a power cut can leave of a line: some whole stores, and a part of the next one. */
function contents({ base, stores }: Line): string[] {
  const found = new Set<string>([base.toString('hex')]);
  let before = base;
  for (const atoms of stores) {
    for (let subset = 0; subset < 2 ** atoms.length; subset++) {
      const some = atoms.filter((_, i) => Math.floor(subset / 2 ** i) % 2 === 1);
      found.add(applied(before, some).toString('hex'));
      // One of the atoms left out tears.
      for (const atom of atoms.filter((one) => one.tears && !some.includes(one))) {
        for (const half of halves(before, atom)) found.add(applied(before, [...some, ...half]).toString('hex'));
      }
    }
    before = applied(before, atoms);
  }
  return [...found];
}

/** The Memory contract, step by step and line by line. */
export class PlainModel {
  readonly #lines: Line[];

  constructor(size: number) {
    this.#lines = Array.from({ length: size / 64 }, () => ({ base: Buffer.alloc(64), stores: [], flushed: 0 }));
  }

  store(offset: number, bytes: Buffer): void {
    const isOneStore = [1, 2, 4, 8].includes(bytes.length) && offset % bytes.length === 0;
    const tears = !isOneStore && (offset % 8 !== 0 || bytes.length % 8 !== 0);
    this.#lines.forEach((line, number) => {
      const atoms: Atom[] = [];
      for (let word = number * 64; word < number * 64 + 64; word += 8) {
        const from = Math.max(word, offset);
        const to = Math.min(word + 8, offset + bytes.length);
        if (from < to) atoms.push({ at: from - number * 64, bytes: bytes.subarray(from - offset, to - offset), tears });
      }
      if (atoms.length > 0) line.stores.push(atoms);
    });
  }

  flush(offset: number, length: number): void {
    this.#lines.forEach((line, number) => {
      if (length > 0 && offset < number * 64 + 64 && offset + length > number * 64) line.flushed = line.stores.length;
    });
  }

  drain(): void {
    for (const line of this.#lines) {
      line.base = applied(line.base, line.stores.slice(0, line.flushed).flat());
      line.stores = line.stores.slice(line.flushed);
      line.flushed = 0;
    }
  }

  images(): Set<string> {
    let images = [''];
    for (const line of this.#lines) {
      const all = contents(line);
      images = images.flatMap((image) => all.map((content) => image + content));
    }
    return new Set(images);
  }
}

/** The images of each crash point of a program: before each drain, and at the end. */
export function plainImages(size: number, steps: readonly Step[]): Set<string>[] {
  const model = new PlainModel(size);
  const points: Set<string>[] = [];
  const drain = () => {
    points.push(model.images());
    model.drain();
  };
  for (const step of steps) {
    switch (step.op) {
      case 'write':
        model.store(step.offset, step.bytes);
        if (step.mode === 'flush' || step.mode === 'persist') model.flush(step.offset, step.bytes.length);
        if (step.mode === 'persist') drain();
        break;
      case 'fill':
        model.store(step.offset, Buffer.alloc(step.length, step.byte));
        break;
      case 'store64': {
        const bytes = Buffer.alloc(8);
        bytes.writeBigUInt64LE(step.value);
        model.store(step.offset, bytes);
        break;
      }
      case 'flush':
        model.flush(step.offset, step.length);
        break;
      case 'persist':
        model.flush(step.offset, step.length);
        drain();
        break;
      case 'drain':
        drain();
        break;
    }
  }
  points.push(model.images());
  return points;
}
