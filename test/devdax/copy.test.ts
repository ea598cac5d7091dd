import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createReadStream, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import { PassThrough, Readable, Writable } from 'node:stream';
import { runInNewContext } from 'node:vm';
import { Region } from 'pmem';
import { type CopyOptions, copyDevice } from 'pmem/devdax';
import { checkCopy } from '#dist/devdax/copy/options.js';
import { plan } from '#dist/devdax/copy/plan.js';
import type { Progress } from '#dist/options.js';
import { rejectsCode, throwsCode } from '../support/errors.js';
import { Random } from '../support/random.js';
import { onDisk, onTmpfs } from '../support/temp.js';

const MIB = 2 ** 20;
/** Several pieces, and a part of one. */
const SIZE = 17 * MIB + 4096 + 5;
const seed = 20261121;

/** Collects what is written to it. */
function collector(): { stream: Writable; bytes: () => Buffer } {
  const pieces: Buffer[] = [];
  const stream = new Writable({
    write(piece: Buffer, _, done) {
      pieces.push(piece);
      done();
    },
  });
  return { stream, bytes: () => Buffer.concat(pieces) };
}

describe('copyDevice', () => {
  const name = onDisk();
  const random = new Random(seed);

  function file(bytes: Buffer): string {
    const path = name('file');
    writeFileSync(path, bytes);
    return path;
  }

  describe(`copies the right bytes (seed ${seed})`, () => {
    const input = random.bytes(SIZE);
    const before = random.bytes(SIZE + MIB);

    function expected(at: number, bytes: Buffer, whole: Buffer): Buffer {
      const result = Buffer.from(whole);
      bytes.copy(result, at);
      return result;
    }

    for (const from of ['device', 'file', 'stream'] as const) {
      for (const to of ['device', 'file', 'stream'] as const) {
        if (from !== 'device' && to !== 'device') continue;
        for (let round = 0; round < 4; round++) {
          it(`from a ${from} to a ${to}, round ${round}`, async () => {
            const skip = from === 'stream' ? 0 : random.below(MIB);
            const seek = to === 'stream' ? 0 : random.below(MIB);
            const length = round === 0 ? undefined : random.below(SIZE - skip) + 1;
            const source = file(input);
            const output = file(before);
            const { stream, bytes } = collector();
            const emulate = from === to ? 'both' : from === 'device' ? 'input' : 'output';
            const report = await copyDevice({
              input: from === 'stream' ? createReadStream(source) : source,
              output: to === 'stream' ? stream : output,
              skip,
              seek,
              length,
              emulate,
              verify: to !== 'stream',
            });
            const wanted = input.subarray(skip, length === undefined ? SIZE : skip + length);
            assert.deepEqual(report, { bytes: wanted.length, durable: to !== 'stream', verified: to !== 'stream' });
            if (to === 'stream') assert(bytes().equals(wanted));
            else assert(readFileSync(output).equals(expected(seek, wanted, before)));
          });
        }
      }
    }

    it('from zeroes to a device', async () => {
      const output = file(before);
      const report = await copyDevice({
        output,
        zero: true,
        seek: 4097,
        length: 5 * MIB,
        emulate: 'output',
        verify: true,
      });
      assert.equal(report.bytes, 5 * MIB);
      assert(readFileSync(output).equals(expected(4097, Buffer.alloc(5 * MIB), before)));
      assert.equal((await copyDevice({ output, zero: true, seek: '1MiB', emulate: 'output' })).bytes, SIZE);
      assert(readFileSync(output).subarray(MIB).equals(Buffer.alloc(SIZE)));
    });

    it('to a file that it creates, and into a longer file whose rest stays', async () => {
      const output = name('new');
      await copyDevice({ input: file(input), output, emulate: 'input', length: 10 });
      assert(readFileSync(output).equals(input.subarray(0, 10)));
      await copyDevice({ input: file(input), output, emulate: 'input', length: 4, skip: 100 });
      assert(readFileSync(output).equals(Buffer.concat([input.subarray(100, 104), input.subarray(4, 10)])));
    });

    it('within a device, where the ranges do not overlap', async () => {
      const path = file(before);
      await copyDevice({ input: path, output: path, emulate: 'both', skip: 10, seek: 5 * MIB, length: 4 * MIB });
      const moved = before.subarray(10, 10 + 4 * MIB);
      assert(readFileSync(path).equals(expected(5 * MIB, moved, before)));
    });

    it('from a FIFO, and from /dev/zero up to the end of the output', async () => {
      const output = file(before);
      const fifo = name('fifo');
      execFileSync('mkfifo', [fifo]);
      const copying = copyDevice({ input: fifo, output, emulate: 'output' });
      await writeFile(fifo, input);
      assert.equal((await copying).bytes, SIZE);
      assert(readFileSync(output).equals(expected(0, input, before)));
      await copyDevice({ input: '/dev/zero', output, emulate: 'output', length: MIB });
      assert(readFileSync(output).subarray(0, MIB).equals(Buffer.alloc(MIB)));
      await copyDevice({ input: output, output: '/dev/null', emulate: 'input' });
    });
  });

  it('reports progress up to the end', async () => {
    const seen: Progress[] = [];
    const output = file(Buffer.alloc(SIZE));
    const onProgress = (progress: Progress) => seen.push(progress);
    await copyDevice({ input: file(random.bytes(SIZE)), output, emulate: 'both', verify: true, onProgress });
    for (const phase of ['copy', 'verify']) {
      const done = seen.filter((one) => one.phase === phase);
      assert(done.length > 2);
      assert.deepEqual(done.at(-1), { phase, done: SIZE, total: SIZE });
      assert(done.every((one, i) => i === 0 || one.done > (done[i - 1]?.done ?? 0)));
    }
    seen.length = 0;
    await copyDevice({ input: Readable.from([Buffer.alloc(10)]), output, emulate: 'output', onProgress });
    assert.deepEqual(seen, [{ phase: 'copy', done: 10, total: Number.POSITIVE_INFINITY }]);
  });

  it('copies nothing where there is nothing to copy', async () => {
    const report = await copyDevice({ input: file(Buffer.alloc(0)), output: file(Buffer.alloc(9)), emulate: 'output' });
    assert.deepEqual(report, { bytes: 0, durable: true, verified: false });
    const device = file(Buffer.alloc(4096));
    const output = name('made');
    await copyDevice({ input: device, output, emulate: 'input', length: 0 });
    assert.equal(readFileSync(output).length, 0);
    await rejectsCode(copyDevice({ input: device, output: '/nowhere/a', emulate: 'input', length: 0 }), 'ENOENT');
  });

  it('leaves bytes alone that an output stream still holds', async () => {
    const bytes = random.bytes(8192);
    const output = new PassThrough();
    await copyDevice({ input: file(bytes), output, emulate: 'input' });
    assert(output.read().equals(bytes));
  });

  describe('with a FIFO as its output', () => {
    const fifo = () => {
      const path = name('fifo');
      execFileSync('mkfifo', [path]);
      return path;
    };

    it("writes to the FIFO's reader, and does not count as one", async () => {
      const bytes = random.bytes(SIZE);
      const output = fifo();
      const [report, read] = await Promise.all([
        copyDevice({ input: file(bytes), output, emulate: 'input' }),
        readFile(output),
      ]);
      assert.equal(report.bytes, SIZE);
      assert(read.equals(bytes));
    });

    it('fails with EPIPE once the reader has left', async () => {
      const output = fifo();
      const copying = copyDevice({ input: file(random.bytes(SIZE)), output, emulate: 'input' });
      // Expected from now on: it may come before the reader is told that it has closed.
      const refused = rejectsCode(copying, 'EPIPE');
      const reader = await open(output);
      await reader.read(Buffer.alloc(10), 0, 10);
      await reader.close();
      await refused;
    });

    it('can be aborted while nobody reads the FIFO yet', async () => {
      const controller = new AbortController();
      const options = { input: file(random.bytes(4096)), output: fifo(), emulate: 'input' } as const;
      const copying = copyDevice({ ...options, signal: controller.signal });
      setImmediate(() => controller.abort());
      await assert.rejects(copying, { name: 'AbortError' });
    });

    it('can be aborted while nobody reads the FIFO any more', async () => {
      const output = fifo();
      const controller = new AbortController();
      const options = { input: file(random.bytes(SIZE)), output, emulate: 'input' } as const;
      const copying = copyDevice({ ...options, signal: controller.signal });
      const reader = await open(output);
      await reader.read(Buffer.alloc(10), 0, 10);
      controller.abort();
      await assert.rejects(copying, { name: 'AbortError' });
      await reader.close();
    });
  });

  it('leaves no unhandled rejection when it is aborted', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', note);
    const controller = new AbortController();
    const stream = new PassThrough();
    // Aborted once the next piece was asked for, which fails later.
    const next = () => {
      controller.abort();
      return new Promise<never>((_, reject) => stream.once('close', () => reject(new Error('too late'))));
    };
    stream.iterator = () => ({ next }) as never;
    const options = { input: stream, output: file(Buffer.alloc(SIZE)), emulate: 'output' } as const;
    await assert.rejects(copyDevice({ ...options, signal: controller.signal }), { name: 'AbortError' });
    stream.destroy();
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', note);
    assert.deepEqual(unhandled, []);
  });

  for (const from of ['a stream', 'a FIFO']) {
    it(`can be aborted while ${from} has no bytes, and leaves a stream usable`, async () => {
      const controller = new AbortController();
      const stream = new PassThrough();
      const path = name('fifo');
      execFileSync('mkfifo', [path]);
      const input = from === 'a stream' ? stream : path;
      const options = {
        input,
        output: file(Buffer.alloc(SIZE)),
        emulate: 'output',
        signal: controller.signal,
      } as const;
      const copying = copyDevice(options);
      setImmediate(() => controller.abort());
      await assert.rejects(copying, { name: 'AbortError' });
      assert.equal(stream.destroyed, false);
    });
  }

  it('refuses a block device that is too small before it stores a byte', async () => {
    const disk = { kind: 'file', size: 4096, identity: 'device 1', grows: false } as const;
    const device = { kind: 'memory', size: 8192, identity: '1:1', grows: false } as const;
    const options = checkCopy({ input: '/a', output: '/b' });
    throwsCode(() => plan(options, device, disk), 'ENOSPC', { message: /8192 bytes, and 4096 fit/ });
    throwsCode(() => plan({ ...options, seek: 4097 }, device, disk), 'ERR_OUT_OF_RANGE', { message: /at most 4096/ });
    assert.deepEqual(plan({ ...options, skip: 4096 }, device, disk), { total: 4096, openEnded: false });
  });

  describe('with verify finds a difference', () => {
    /** Changes a file once everything was copied. */
    function spoil(path: string, at: number): CopyOptions['onProgress'] {
      return ({ phase, done }) => {
        if (phase !== 'copy' || done !== SIZE) return;
        const bytes = readFileSync(path);
        bytes.writeUInt8((bytes[at] ?? 0) ^ 1, at);
        writeFileSync(path, bytes, { flag: 'r+' });
      };
    }

    it('in the output', async () => {
      const output = file(Buffer.alloc(SIZE));
      const options = { input: file(random.bytes(SIZE)), output, emulate: 'output', verify: true } as const;
      const copying = copyDevice({ ...options, onProgress: spoil(output, 5 * MIB + 3) });
      await rejectsCode(copying, 'ERR_PMEM_VERIFY', { message: new RegExp(`from byte ${5 * MIB + 3} `) });
    });

    it('in the input', async () => {
      const input = file(random.bytes(SIZE));
      const options = { input, output: name('new'), emulate: 'input', verify: true } as const;
      await rejectsCode(copyDevice({ ...options, onProgress: spoil(input, SIZE - 1) }), 'ERR_PMEM_VERIFY');
    });

    it('in zeroes', async () => {
      const output = file(Buffer.alloc(SIZE));
      const options = { output, zero: true, emulate: 'output', verify: true } as const;
      await rejectsCode(copyDevice({ ...options, onProgress: spoil(output, 0) }), 'ERR_PMEM_VERIFY');
    });

    it('in bytes that came from a stream', async () => {
      const output = file(Buffer.alloc(SIZE));
      const input = Readable.from([random.bytes(SIZE)]);
      const options = { input, output, emulate: 'output', verify: true } as const;
      await rejectsCode(copyDevice({ ...options, onProgress: spoil(output, 4 * MIB) }), 'ERR_PMEM_VERIFY');
    });
  });

  describe('refuses, before it stores a byte,', () => {
    const bytes = random.bytes(8192);
    const cases: [string, Partial<CopyOptions>, string, RegExp?][] = [
      ['two files', { emulate: undefined }, 'EINVAL', /neither input nor output/],
      ['zeroes to a file', { emulate: undefined, input: undefined, zero: true }, 'EINVAL'],
      ['an input that is not there', { input: '/nowhere/file' }, 'ENOENT', /'\/nowhere\/file'/],
      ['an input and zeroes', { zero: true }, 'ERR_INVALID_ARG_VALUE'],
      ['nothing to copy from', { input: undefined }, 'ERR_INVALID_ARG_TYPE'],
      ['a number for an input', { input: 5 as never }, 'ERR_INVALID_ARG_TYPE'],
      ['more than the input has', { length: 8193 }, 'ERR_OUT_OF_RANGE', /at most 8192/],
      ['a skip past the end', { skip: 8193 }, 'ERR_OUT_OF_RANGE', /skip/],
      ['a seek past the end', { seek: 8193 }, 'ERR_OUT_OF_RANGE', /seek/],
      ['a length that does not fit', { seek: 1, length: 8192 }, 'ERR_OUT_OF_RANGE', /at most 8191/],
      ['an input that does not fit', { seek: 1 }, 'ENOSPC', /8192 bytes, and 8191 fit/],
      ['sums above 2^53', { skip: 2 ** 52, length: 2 ** 52 }, 'ERR_OUT_OF_RANGE'],
      ['a negative skip', { skip: -1 }, 'ERR_OUT_OF_RANGE'],
      ['a length that is no number', { length: Number.NaN }, 'ERR_OUT_OF_RANGE'],
      ['an unknown option', { lenght: 5 } as never, 'ERR_INVALID_ARG_VALUE', /lenght/],
      ['another word for emulate', { emulate: 'all' as never }, 'ERR_INVALID_ARG_VALUE'],
      ['a number for emulate', { emulate: 1 as never }, 'ERR_INVALID_ARG_TYPE'],
      ['an onOverwrite that is no function', { onOverwrite: 'no' as never }, 'ERR_INVALID_ARG_TYPE'],
      ['a signal that is none', { signal: {} as never }, 'ERR_INVALID_ARG_TYPE'],
      ['the path of a stream with a skip', { input: '/proc/version', skip: 1 }, 'ERR_INVALID_ARG_VALUE', /skip/],
      ['the path of a stream with a seek', { output: '/dev/null', emulate: 'input', seek: 1 }, 'ERR_INVALID_ARG_VALUE'],
      ['a stream with a skip', { input: Readable.from([]), skip: 1 }, 'ERR_INVALID_ARG_VALUE'],
      ['a stream to verify', { output: new PassThrough(), emulate: 'input', verify: true }, 'EINVAL', /read again/],
      ['a directory', { output: '/tmp' }, 'EISDIR'],
      ['a device that is not there', { output: '/nowhere/device' }, 'ENOENT', /taken for a device.*truncate/],
      ['a path below a file', { input: '/etc/passwd/x' }, 'ENOTDIR'],
      ['a name that is too long', { input: `/${'x'.repeat(300)}` }, 'ENAMETOOLONG'],
    ];
    for (const [what, options, code, message] of cases) {
      it(`${what}: ${code}`, async () => {
        const output = file(Buffer.alloc(8192));
        const copying = copyDevice({ input: file(bytes), output, emulate: 'output', ...options } as CopyOptions);
        await rejectsCode(copying, code, message === undefined ? {} : { message });
        assert(readFileSync(output).equals(Buffer.alloc(8192)));
      });
    }

    it('overlapping ranges of one device', async () => {
      const path = file(bytes);
      const same = { input: path, output: path, emulate: 'both' } as const;
      await rejectsCode(copyDevice({ ...same, length: 4096, seek: 4095 }), 'EINVAL', { message: /overlap/ });
      await rejectsCode(copyDevice(same), 'EINVAL', { message: /overlap/ });
      assert(readFileSync(path).equals(bytes));
    });
  });

  it('says where a short input ended, and refuses an input that goes on past the output', async () => {
    const output = file(Buffer.alloc(8192));
    const short = copyDevice({ input: Readable.from([Buffer.alloc(100, 1)]), output, length: 200, emulate: 'output' });
    await rejectsCode(short, 'ERR_PMEM_SHORT_INPUT', { message: /after 100 of 200 bytes/ });
    assert(
      readFileSync(output)
        .subarray(0, 101)
        .equals(Buffer.from([...Buffer.alloc(100, 1), 0])),
    );
    const long = copyDevice({ input: Readable.from([Buffer.alloc(8193, 2)]), output, emulate: 'output' });
    await rejectsCode(long, 'ENOSPC', { message: /all 8192 bytes/ });
    assert(readFileSync(output).equals(Buffer.alloc(8192, 2)));
  });

  it('takes the arrays of another realm from a stream', async () => {
    const output = file(Buffer.alloc(4096));
    const foreign: unknown = runInNewContext('new Uint8Array(4096).fill(7)');
    await copyDevice({ input: Readable.from([foreign]), output, emulate: 'output' });
    assert(readFileSync(output).equals(Buffer.alloc(4096, 7)));
  });

  it('passes on the error of a stream, and refuses a stream of strings', async () => {
    const output = file(Buffer.alloc(8192));
    const failing = new Readable({
      read: () => failing.destroy(Object.assign(new Error('torn'), { code: 'ECUSTOM' })),
    });
    await rejectsCode(copyDevice({ input: failing, output, emulate: 'output' }), 'ECUSTOM');
    await rejectsCode(
      copyDevice({ input: Readable.from(['text']), output, emulate: 'output' }),
      'ERR_INVALID_ARG_TYPE',
    );
    const closed = new Writable({ write: (_, __, done) => done(Object.assign(new Error('gone'), { code: 'EPIPE' })) });
    await rejectsCode(copyDevice({ input: output, output: closed, emulate: 'input' }), 'EPIPE');
  });

  it('stops on a signal', async () => {
    const controller = new AbortController();
    // More pieces than are under way at a time.
    const [input, output] = [file(Buffer.alloc(64 * MIB, 1)), file(Buffer.alloc(64 * MIB))];
    const onProgress = () => controller.abort();
    const aborted = copyDevice({ input, output, emulate: 'both', signal: controller.signal, onProgress });
    await assert.rejects(aborted, { name: 'AbortError' });
    assert(!readFileSync(output).equals(readFileSync(input)));
    const before = AbortSignal.abort(new Error('before'));
    await assert.rejects(copyDevice({ input, output, emulate: 'both', signal: before }), /before/);
  });

  it('creates no file when it was aborted before', async () => {
    const [input, output] = [file(Buffer.alloc(8192)), name('aborted')];
    const signal = AbortSignal.abort(new Error('before'));
    await assert.rejects(copyDevice({ input, output, emulate: 'input', signal }), /before/);
    await assert.rejects(copyDevice({ input, output, emulate: 'input', length: 0, signal }), /before/);
    assert(!existsSync(output));
  });

  it('gives its locks on the devices back', async () => {
    const [input, output] = [file(random.bytes(8192)), file(Buffer.alloc(8192))];
    await copyDevice({ input, output, emulate: 'both' });
    Region.open(output).close();
    assert(existsSync(output));
  });
});

describe('copyDevice on tmpfs', () => {
  const name = onTmpfs();

  it('reports volatile bytes, unless assumePersistent is passed', async () => {
    const output = name('memory');
    writeFileSync(output, Buffer.alloc(8192));
    const options = { output, zero: true, emulate: 'output' } as const;
    assert.equal((await copyDevice(options)).durable, false);
    assert.equal((await copyDevice({ ...options, assumePersistent: true })).durable, true);
    assert.equal((await copyDevice({ input: output, output: name('file'), emulate: 'input' })).durable, false);
  });
});
