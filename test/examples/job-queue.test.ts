import assert from 'node:assert/strict';
import { exploreCrashes, SimulatedMemory } from 'pmem/testing';
import { JobQueue } from '../../examples/job-queue.js';
import { runExample } from '../support/examples.js';
import { onDisk } from '../support/temp.js';

const JOBS = ['never', 'lose', 'a', 'job'];

describe('examples/job-queue.js', () => {
  const file = onDisk();

  it('has worker threads do every job', () => {
    const lines = runExample('job-queue.js', [file('jobs')])
      .trim()
      .split('\n');
    assert.deepEqual(lines.slice(0, -1).sort(), ['0: NEVER', '1: LOSE', '2: A', '3: JOB']);
    assert.equal(lines.at(-1), '0 jobs left');
  });

  it('does again what an earlier run left', () => {
    const path = file('left');
    assert.match(runExample('job-queue.js', [path]), /0 jobs left/);
    assert.match(runExample('job-queue.js', [path]), /0 jobs left/);
  });

  it('loses no job and damages none, whenever the power fails; slots are used again', () => {
    const texts = [...JOBS, 'a payload of fifty-six bytes, which fills its cache line'];
    exploreCrashes<string[], string>({
      size: 3 * 64,
      workload(memory, context) {
        const queue = new JobQueue(memory);
        for (const text of texts) {
          const slot = context.operation('add', () => queue.add(text), text);
          context.operation('done', () => queue.done(slot), text);
        }
        for (const text of JOBS.slice(0, 3)) context.operation('add', () => queue.add(text), text);
      },
      recover(memory) {
        const queue = new JobQueue(memory);
        return queue.pending().map((slot) => queue.payload(slot));
      },
      check(found, { finished, running }) {
        const pending = new Set<string | undefined>();
        for (const { name, detail } of finished) {
          if (name === 'add') pending.add(detail);
          else pending.delete(detail);
        }
        const optional = running?.detail;
        for (const text of found) assert(pending.has(text) || text === optional, `found '${text}'`);
        for (const text of pending) assert(text === optional || found.includes(text ?? ''), `lost '${text}'`);
      },
    });
  });

  it('damages no job after a program was killed between its store and its persist', () => {
    const memory = SimulatedMemory.create({ size: 128, lineOffset: 56 });
    const old = 'a job of more than one cache line, that was not done';
    const queue = new JobQueue(memory);
    queue.add(old);
    memory.store64(0, 0n);
    // The power fails once the payload is durable.
    memory.write = (offset, source, mode) => {
      SimulatedMemory.prototype.write.call(memory, offset, source, mode);
      throw new Error('power cut');
    };
    assert.throws(() => new JobQueue(memory).add('another'), /power cut/);
    memory.losePower({ keep: 'nothing' });
    const after = new JobQueue(memory);
    for (const slot of after.pending()) assert.equal(after.payload(slot), old);
  });

  it('refuses a job too many, and a payload too long', () => {
    const queue = new JobQueue(SimulatedMemory.create({ size: 64 }));
    assert.throws(() => queue.add('x'.repeat(57)), RangeError);
    queue.add('x'.repeat(56));
    assert.throws(() => queue.add('y'), /full/);
  });
});
