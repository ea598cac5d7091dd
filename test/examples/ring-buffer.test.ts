import assert from 'node:assert/strict';
import type { Memory } from 'pmem';
import { type CrashOptions, exploreCrashes, SimulatedMemory } from 'pmem/testing';
import { RingBuffer } from '../../examples/ring-buffer.js';
import { runExample } from '../support/examples.js';
import { onDisk } from '../support/temp.js';

const SLOTS = 3;
const SIZE = 128 + 64 * (SLOTS + 1);
const TEXTS = ['one', 'two', '', 'x'.repeat(63), 'five', 'six', 'seven', 'eight'];

interface Found {
  readonly sent: number;
  readonly taken: number;
  readonly texts: readonly string[];
}

function found(memory: Memory): Found {
  const ring = new RingBuffer(memory);
  const { sent, taken } = ring;
  const texts: string[] = [];
  for (let i = taken; i < sent && i < taken + 2 * SLOTS; i++) {
    const at = 128 + 64 * (i % ring.slots);
    const length = Buffer.alloc(1);
    memory.read(at, length);
    texts.push(memory.readText(at + 1, Math.min(length.readUInt8(), 63)));
  }
  return { sent, taken, texts };
}

/** What the other process does in the middle of a call: between the store of a word and its persist. */
function meanwhile(memory: Memory, run: () => void): Memory {
  let isRunning = false;
  return new Proxy(memory, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (name === 'persist' && !isRunning) {
          isRunning = true;
          run();
          isRunning = false;
        }
        return value.apply(target, args);
      };
    },
  });
}

function exploration(workload: CrashOptions<Found, never>['workload']): CrashOptions<Found, never> {
  return {
    size: SIZE,
    workload,
    recover: found,
    check({ sent, taken, texts }) {
      assert(taken <= sent, `${taken} taken of ${sent} sent`);
      assert(sent - taken <= SLOTS + 1, `${sent - taken} messages in ${SLOTS + 1} slots`);
      assert.deepEqual(texts, TEXTS.slice(taken, sent));
    },
  };
}

describe('examples/ring-buffer.js', () => {
  const file = onDisk();

  it('takes what another process sends', () => {
    assert.equal(runExample('ring-buffer.js', [file('ring')]), "the last one is 'message 99'\n");
  });

  it('keeps every message that was sent and not taken, whenever the power fails', () => {
    exploreCrashes(
      exploration((memory, context) => {
        const ring = new RingBuffer(memory);
        for (const text of TEXTS) {
          context.operation(`send ${text}`, () => assert(ring.send(text)));
          if (ring.sent > 2) context.operation('take', () => ring.take());
        }
      }),
    );
  });

  it('keeps them where the other process takes before the sender has made its word durable', () => {
    exploreCrashes(
      exploration((memory) => {
        const receiver = new RingBuffer(memory);
        const sender = new RingBuffer(meanwhile(memory, () => receiver.take()));
        for (const text of TEXTS) assert(sender.send(text));
      }),
    );
  });

  it('keeps them where the other process sends before the receiver has made its word durable', () => {
    exploreCrashes(
      exploration((memory) => {
        let next = 0;
        const sender = new RingBuffer(memory);
        const fill = () => {
          while (next < TEXTS.length && sender.send(TEXTS[next] as string)) next++;
        };
        const receiver = new RingBuffer(meanwhile(memory, fill));
        fill();
        for (let i = 0; i < TEXTS.length; i++) assert.equal(receiver.take(), TEXTS[i]);
      }),
    );
  });

  it('has no room for more than its slots, and nothing to take when it is empty', () => {
    const ring = new RingBuffer(SimulatedMemory.create({ size: SIZE }));
    assert.equal(ring.take(), undefined);
    for (let i = 0; i <= SLOTS; i++) assert.equal(ring.send(`${i}`), true);
    assert.equal(ring.send('more'), false);
    assert.equal(ring.take(), '0');
    assert.equal(ring.send('more'), true);
    assert.throws(() => ring.send('x'.repeat(64)), RangeError);
  });
});
