/**
 * Two processes fight over overlapping instances. Who is inside writes its number into each page of its bytes and takes it back
 * when it leaves; a page that holds another number says that both were inside, whatever the locks say.
 */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { type Running, startChild } from '../support/child.js';
import { Random } from '../support/random.js';
import { onTmpfs } from '../support/temp.js';

const PAGE = 4096;
const PAGES = 32;
const ROUNDS = 1000;
const SEED = 20_261_121;

/** What one of the two wants in a round: these pages at once, or a page of its own first and then to grow. */
type Wish = { readonly pages: [first: number, end: number][] } | { readonly grow: [own: number, pages: number] };

/** In lines: a wish; answers `in`, `out` or what it found wrong. `leave`; answers `left`, or what it found wrong. */
async function fighter(path: string, me: number, locking: boolean, binding: string): Promise<void> {
  const PAGE = 4096;
  const { DaxRegion, Region } = await import('pmem');
  if (!locking) {
    const { native } = (await import(binding)) as typeof import('#dist/binding.js');
    const { lockAlone } = native;
    native.lockAlone = (fd) => lockAlone(fd, []);
    native.changeLock = () => {};
  }
  const memory = Region.open(path, { shared: true });
  const region = DaxRegion.open(path, { align: PAGE, emulate: true });
  type Instance = ReturnType<typeof region.create>;
  let inside: Instance | undefined;
  const numbers = (instance: Instance): number[] =>
    instance.mappings.flatMap(({ start, end }) =>
      Array.from({ length: (end + 1 - start) / PAGE }, (_, i) => start / PAGE + i),
    );
  const wrong = (instance: Instance, expected: number): string | undefined => {
    const page = numbers(instance).find((one) => memory.load64(one * PAGE) !== BigInt(expected));
    return page === undefined ? undefined : `page ${page} holds ${memory.load64(page * PAGE)}, not ${expected}`;
  };
  const mark = (instance: Instance, value: number): void => {
    for (const page of numbers(instance)) memory.store64(page * PAGE, BigInt(value));
  };

  const enter = (wish: Wish): string => {
    let made: Instance | undefined;
    try {
      if ('pages' in wish) {
        made = region.create({
          ranges: wish.pages.map(([first, end]) => ({ start: first * PAGE, end: end * PAGE - 1 })),
        });
      } else {
        const [own, pages] = wish.grow;
        made = region.create({ ranges: [{ start: own * PAGE, end: (own + 1) * PAGE - 1 }] });
        made.resize(pages * PAGE);
      }
    } catch (error) {
      made?.destroy();
      const { code, message } = error as { code?: string; message: string };
      return code === 'ERR_PMEM_LOCKED' ? 'out' : `failed: ${message}`;
    }
    inside = made;
    const found = wrong(made, 0);
    mark(made, me);
    return found === undefined ? 'in' : `in, though ${found}`;
  };
  const leave = (): string => {
    if (inside === undefined) return 'left';
    const found = wrong(inside, me);
    mark(inside, 0);
    inside.destroy();
    inside = undefined;
    return found === undefined ? 'left' : `left, though ${found}`;
  };

  let rest = '';
  process.stdin.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) process.stdout.write(`${line === 'leave' ? leave() : enter(JSON.parse(line))}\n`);
  });
  process.stdout.write('ready\n');
}

/** What both want in a round, and whether some byte is wanted by both. */
function wishes(random: Random): { both: [Wish, Wish]; overlapping: boolean } {
  const kind = random.below(8);
  if (kind === 0) {
    // Both grow over the lowest pages, from one of their own.
    const pages = 2 + random.below(6);
    return { both: [{ grow: [PAGES - 2, pages] }, { grow: [PAGES - 1, pages] }], overlapping: true };
  }
  if (kind === 1) {
    const border = 1 + random.below(PAGES - 1);
    return { both: [{ pages: [[0, border]] }, { pages: [[border, PAGES]] }], overlapping: false };
  }
  const common = random.below(PAGES);
  const wish = (): Wish => {
    const first = random.below(common + 1);
    const end = common + 1 + random.below(PAGES - common);
    const pages: [number, number][] = [[first, end]];
    // In the opposite order, and in two pieces.
    if (first > 2 && random.below(2) === 0) pages.push([0, first - 1]);
    return { pages };
  };
  return { both: [wish(), wish()], overlapping: true };
}

describe('two processes that fight over overlapping instances', () => {
  const file = onTmpfs();

  async function fight(locking: boolean, rounds: number): Promise<{ said: string[][]; overlapping: boolean[] }> {
    const path = file('ring');
    writeFileSync(path, Buffer.alloc(PAGES * PAGE));
    const binding = import.meta.resolve('#dist/binding.js');
    const start = (me: number): Running => startChild(fighter, [path, me, locking, binding]);
    const both = [start(1), start(2)] as const;
    const said: string[][] = [];
    const overlapping: boolean[] = [];
    const ask = async (lines: readonly [string, string]): Promise<string[]> => {
      // Both at once; who is inside stays until both have tried.
      for (const [i, one] of both.entries()) one.tell(lines[i] as string);
      return Promise.all(both.map((one) => one.line()));
    };
    for (const one of both) assert.equal(await one.line(), 'ready');
    const random = new Random(SEED);
    for (let round = 0; round < rounds; round++) {
      const wanted = wishes(random);
      overlapping.push(wanted.overlapping);
      const [first, second] = wanted.both;
      const entered = await ask([JSON.stringify(first), JSON.stringify(second)]);
      const left = await ask(['leave', 'leave']);
      said.push([...entered, ...left]);
    }
    for (const one of both) {
      one.kill('SIGKILL');
      await one.ended;
    }
    return { said, overlapping };
  }

  it(`${ROUNDS} rounds: never both inside (seed ${SEED})`, async function () {
    this.timeout(120_000);
    const { said, overlapping } = await fight(true, ROUNDS);
    const wins = [0, 0];
    for (const [round, [a, b, ...left]] of said.entries()) {
      const where = `round ${round}, seed ${SEED}: ${said[round]?.join(' | ')}`;
      assert.deepEqual(left, ['left', 'left'], where);
      const inside = [a, b].filter((one) => one === 'in').length;
      for (const one of [a, b]) assert(one === 'in' || one === 'out', where);
      // Where they are after each other's pieces, both may lose.
      if (overlapping[round] === true) assert(inside <= 1, where);
      else assert.equal(inside, 2, where);
      if (overlapping[round] !== true) continue;
      if (a === 'in') wins[0] = (wins[0] as number) + 1;
      if (b === 'in') wins[1] = (wins[1] as number) + 1;
    }
    const fought = overlapping.filter(Boolean).length;
    const won = (wins[0] as number) + (wins[1] as number);
    console.log(`      ${fought} rounds over the same bytes: ${wins.join(' and ')} won, ${fought - won} by nobody`);
    assert(fought > ROUNDS / 2 && won > fought / 2, 'there was a fight');
  });

  it('without the lock both are inside every time, and it is noticed', async () => {
    const rounds = 50;
    const { said, overlapping } = await fight(false, rounds);
    for (const [round, answers] of said.entries()) {
      const noticed = answers.some((one) => one.includes('though'));
      assert.equal(noticed, overlapping[round], `round ${round}: ${answers.join(' | ')}`);
    }
  });
});
