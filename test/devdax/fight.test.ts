/**
 * Two processes fight over overlapping instances. Who is inside writes its number into each page of its bytes and takes it back
 * when it leaves; a page that holds another number says that both were inside, whatever the locks say.
 */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { DaxRegion } from 'pmem/devdax';
import { type Running, startChild } from '../support/child.js';
import { throwsCode } from '../support/errors.js';
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
  const { Region } = await import('pmem');
  const { DaxRegion } = await import('pmem/devdax');
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
    instance.mappings.flatMap(({ offset, length }) =>
      Array.from({ length: length / PAGE }, (_, i) => offset / PAGE + i),
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
          ranges: wish.pages.map(([first, end]) => ({ offset: first * PAGE, length: (end - first) * PAGE })),
        });
      } else {
        const [own, pages] = wish.grow;
        made = region.create({ ranges: [{ offset: own * PAGE, length: PAGE }] });
        made.resize(pages * PAGE);
      }
    } catch (error) {
      made?.destroy();
      const { code, message } = error as { code?: string; message: string };
      return code === 'ERR_PMEM_LOCKED' || code === 'ERR_PMEM_BUSY' ? 'out' : `failed: ${message}`;
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

/**
 * Goes in and out at its own pace: random pieces, random sizes, now and then other ones while it is inside. Whoever is inside as well
 * would write its own number into the same pages. Says `in` each time, and at last what it saw; ends after so many times inside, or
 * when told `end`. Whatever else it is told it says, between two times.
 */
async function runner(path: string, me: number, seed: number, times: number, random: string): Promise<void> {
  const PAGE = 4096;
  const PAGES = 32;
  const { Region } = await import('pmem');
  const { DaxRegion } = await import('pmem/devdax');
  const { Random } = (await import(random)) as typeof import('../support/random.js');
  const numbers = new Random(seed);
  const memory = Region.open(path, { shared: true });
  const region = DaxRegion.open(path, { align: PAGE, emulate: true });
  type Instance = ReturnType<typeof region.create>;
  const wrong: string[] = [];
  let [inside, outside] = [0, 0];

  const attempt = (call: () => void): boolean => {
    try {
      call();
      return true;
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      if (code !== 'ERR_PMEM_BUSY' && code !== 'ERR_PMEM_LOCKED' && code !== 'ENOSPC') wrong.push(message);
      outside++;
      return false;
    }
  };
  const alone = (instance: Instance): void => {
    const pages = instance.mappings.flatMap(({ offset, length }) =>
      Array.from({ length: length / PAGE }, (_, i) => offset / PAGE + i),
    );
    for (const page of pages) memory.store64(page * PAGE, BigInt(me));
    for (let look = 0; look < 200; look++) {
      for (const page of pages) {
        const found = memory.load64(page * PAGE);
        if (found !== BigInt(me)) wrong.push(`page ${page} holds ${found}, not ${me}`);
      }
    }
  };
  const once = (): void => {
    const first = numbers.below(PAGES);
    const end = first + 1 + numbers.below(PAGES - first);
    const ranges = [{ offset: first * PAGE, length: (end - first) * PAGE }];
    if (first > 1 && numbers.below(3) === 0) ranges.push({ offset: 0, length: (first - 1) * PAGE });
    let made: Instance | undefined;
    attempt(() => {
      made = region.create({ ranges });
    });
    if (made === undefined) return;
    inside++;
    process.stdout.write('in\n');
    alone(made);
    const instance = made;
    if (numbers.below(2) === 0 && attempt(() => instance.resize((1 + numbers.below(PAGES)) * PAGE))) alone(made);
    made.destroy();
  };

  let ended = false;
  process.stdout.write('ready\n');
  await new Promise((resolve) => process.stdin.once('data', resolve));
  process.stdin.setEncoding('utf8').on('data', (text: string) => {
    if (text === 'end\n') ended = true;
    else process.stdout.write(text);
  });
  while (!ended && inside < times) {
    once();
    await new Promise((resolve) => setImmediate(resolve));
  }
  process.stdout.write(`${JSON.stringify({ inside, outside, wrong: wrong.slice(0, 5) })}\n`);
  // Until it is killed: what it holds by mistake would be seen.
  process.stdin.resume();
}

/** What a runner says at last. */
async function result(one: Running): Promise<{ inside: number; outside: number; wrong: string[] }> {
  for (;;) {
    const line = await one.line();
    if (line !== 'in') return JSON.parse(line);
  }
}

/** One piece is locked by one call, so one of two who want the same byte gets it. */
function isOnePiece(wish: Wish): boolean {
  return 'pages' in wish && wish.pages.length === 1;
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

describe('instances of two processes over the same bytes', () => {
  const file = onTmpfs();

  interface Fight {
    readonly said: string[][];
    readonly overlapping: boolean[];
    /** Whether both are after one piece. */
    readonly simple: boolean[];
  }

  async function fight(locking: boolean, rounds: number): Promise<Fight> {
    const path = file('ring');
    writeFileSync(path, Buffer.alloc(PAGES * PAGE));
    const binding = import.meta.resolve('#dist/binding.js');
    const start = (me: number): Running => startChild(fighter, [path, me, locking, binding]);
    const both = [start(1), start(2)] as const;
    const said: string[][] = [];
    const overlapping: boolean[] = [];
    const simple: boolean[] = [];
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
      simple.push(wanted.both.every(isOnePiece));
      const [first, second] = wanted.both;
      const entered = await ask([JSON.stringify(first), JSON.stringify(second)]);
      const left = await ask(['leave', 'leave']);
      said.push([...entered, ...left]);
    }
    for (const one of both) {
      one.kill('SIGKILL');
      await one.ended;
    }
    return { said, overlapping, simple };
  }

  it(`exclude each other in ${ROUNDS} rounds (seed ${SEED})`, async () => {
    const { said, overlapping, simple } = await fight(true, ROUNDS);
    const wins = [0, 0];
    let decided = 0;
    for (const [round, [a, b, ...left]] of said.entries()) {
      const where = `round ${round}, seed ${SEED}: ${said[round]?.join(' | ')}`;
      assert.deepEqual(left, ['left', 'left'], where);
      const inside = [a, b].filter((one) => one === 'in').length;
      for (const one of [a, b]) assert(one === 'in' || one === 'out', where);
      if (overlapping[round] !== true) {
        assert.equal(inside, 2, where);
        continue;
      }
      // Where they are after several pieces each may be in the other's way, and both lose; how often is up to the moment.
      assert(inside <= 1, where);
      if (simple[round] === true) {
        assert.equal(inside, 1, where);
        decided++;
      }
      if (a === 'in') wins[0] = (wins[0] as number) + 1;
      if (b === 'in') wins[1] = (wins[1] as number) + 1;
    }
    const fought = overlapping.filter(Boolean).length;
    const won = (wins[0] as number) + (wins[1] as number);
    console.log(`      ${fought} rounds over the same bytes: ${wins.join(' and ')} won, ${fought - won} by nobody`);
    assert(fought > ROUNDS / 2 && decided > ROUNDS / 10, `${decided} of ${fought} fights that somebody must win`);
  });

  it('meet every time without the lock, and the test notices', async () => {
    const rounds = 50;
    const { said, overlapping } = await fight(false, rounds);
    for (const [round, answers] of said.entries()) {
      const noticed = answers.some((one) => one.includes('though'));
      assert.equal(noticed, overlapping[round], `round ${round}: ${answers.join(' | ')}`);
    }
  });

  const random = import.meta.resolve('../support/random.js');
  const ready = async (path: string, me: number, times: number): Promise<Running> => {
    const one = startChild(runner, [path, me, SEED + me, times, random]);
    assert.equal(await one.line(), 'ready');
    return one;
  };

  it('exclude each other when both go at their own pace', async () => {
    const path = file('ring');
    writeFileSync(path, Buffer.alloc(PAGES * PAGE));
    const both = [await ready(path, 1, ROUNDS), await ready(path, 2, ROUNDS)];
    for (const one of both) one.tell('go');
    const said = await Promise.all(both.map(result));
    for (const { inside, wrong } of said) assert.deepEqual({ inside, wrong }, { inside: ROUNDS, wrong: [] });
    console.log(`      refused: ${said.map(({ outside }) => outside).join(' and ')} times`);
    using region = DaxRegion.open(path, { align: PAGE, emulate: true });
    assert.equal(region.create().size, PAGES * PAGE, 'nothing is left locked');
    for (const one of both) {
      one.kill('SIGKILL');
      await one.ended;
    }
  });

  it('leave nothing locked when one process is killed again and again', async () => {
    const path = file('ring');
    writeFileSync(path, Buffer.alloc(PAGES * PAGE));
    const numbers = new Random(SEED);
    const survivor = await ready(path, 1, Number.MAX_SAFE_INTEGER);
    survivor.tell('go');
    for (let kill = 0; kill < 10; kill++) {
      const victim = await ready(path, 2 + kill, Number.MAX_SAFE_INTEGER);
      victim.tell('go');
      for (let left = 1 + numbers.below(40); left > 0; left--) assert.equal(await victim.line(), 'in');
      victim.kill('SIGKILL');
      await victim.ended;
      // What it said before is passed over: it goes on after the end of the other.
      survivor.tell(`kill ${kill}`);
      while ((await survivor.line()) !== `kill ${kill}`);
      for (let left = 5; left > 0; left--) assert.equal(await survivor.line(), 'in', `after kill ${kill}`);
    }
    survivor.tell('end');
    const { wrong } = await result(survivor);
    assert.deepEqual(wrong, []);
    using region = DaxRegion.open(path, { align: PAGE, emulate: true });
    assert.equal(region.create().size, PAGES * PAGE);
    survivor.kill('SIGKILL');
    await survivor.ended;
  });

  it('free their bytes at once when their process is killed', async () => {
    const path = file('ring');
    writeFileSync(path, Buffer.alloc(PAGES * PAGE));
    const binding = import.meta.resolve('#dist/binding.js');
    const numbers = new Random(SEED);
    using region = DaxRegion.open(path, { align: PAGE, emulate: true });
    for (let kill = 0; kill < 5; kill++) {
      const victim = startChild(fighter, [path, 2, true, binding]);
      assert.equal(await victim.line(), 'ready');
      const first = numbers.below(PAGES);
      const end = first + 1 + numbers.below(PAGES - first);
      victim.tell(JSON.stringify({ pages: [[first, end]] }));
      await victim.line(); // what the one before it left there is found, but not what is asked for here
      const wanted = { ranges: [{ offset: first * PAGE, length: (end - first) * PAGE }] };
      throwsCode(() => region.create(wanted), 'ERR_PMEM_LOCKED', { message: new RegExp(`process ${victim.pid} `) });
      victim.kill('SIGKILL');
      await victim.ended;
      region.create(wanted).destroy();
    }
  });
});
