import assert from 'node:assert/strict';
import { ProgressBar } from '#dist/cli/terminal/progress.js';

describe('ProgressBar', () => {
  let now = 0;
  let written: string[] = [];
  const terminal = { columns: 80, write: (text: string) => written.push(text.replace('\r\x1b[K', '<')) };

  /** The process began a moment before the job. */
  function bar(columns = 80): ProgressBar {
    now = 7;
    written = [];
    return new ProgressBar({ ...terminal, columns }, { copy: 'copied', verify: 'verified', '': 'checked' }, () => now);
  }

  const copied = (done: number, total?: number) => ({ phase: 'copy', done, total }) as const;

  it('draws the first state at once, even right after the start of the process', () => {
    const drawn = bar();
    drawn.show(copied(1024));
    assert.deepEqual(written, ['<copied 1 KiB, 1000 KiB/s']);
  });

  it('draws at most every 100 ms, and draws the last state when it ends', () => {
    const drawn = bar();
    for (const [at, done] of [
      [1007, 1024],
      [1106, 2048],
      [1107, 3072],
      [1108, 4096],
      [2007, 8192],
      [2008, 10240],
    ] as const) {
      now = at;
      drawn.show(copied(done));
    }
    drawn.end();
    assert.deepEqual(written, [
      '<copied 1 KiB, 1 KiB/s',
      '<copied 3 KiB, 2.73 KiB/s',
      '<copied 8 KiB, 4 KiB/s',
      '<copied 10 KiB, 5 KiB/s',
      '\n',
    ]);
  });

  it('draws the last state at once, and only once', () => {
    const drawn = bar();
    now = 1007;
    drawn.show(copied(512, 1024));
    drawn.show(copied(768, 1024));
    drawn.show(copied(1024, 1024));
    drawn.end();
    drawn.end();
    const rate = (text: string) => text.replace(/, [^,]*\/s$/, '');
    assert.deepEqual(written.map(rate), [
      `<[${'#'.repeat(15)}${'.'.repeat(15)}]  50 %, copied 512 B`,
      `<[${'#'.repeat(30)}] 100 %, copied 1 KiB`,
      '\n',
    ]);
  });

  it('writes nothing, not even a line end, without a state', () => {
    bar().end();
    assert.deepEqual(written, []);
  });

  it('says what an operation without phases does, and shows no bar while the total is unknown', () => {
    const drawn = bar();
    now = 1007;
    for (const total of [undefined, Number.NaN, Number.POSITIVE_INFINITY]) drawn.show({ done: 1024, total });
    drawn.end();
    assert.deepEqual(written, ['<checked 1 KiB, 1 KiB/s', '<checked 1 KiB, 1 KiB/s', '\n']);
  });

  it('draws each phase on a line of its own, with its own speed', () => {
    const drawn = bar();
    now = 1007;
    drawn.show({ phase: 'copy', done: 1024 });
    now = 1107;
    drawn.show({ phase: 'copy', done: 2048 });
    now = 1108;
    drawn.show({ phase: 'copy', done: 3072 });
    now = 2008;
    drawn.show({ phase: 'verify', done: 0 });
    now = 3008;
    drawn.show({ phase: 'verify', done: 1024 });
    drawn.end();
    assert.deepEqual(
      written.map((text) => text.replace(/, .*/, '')),
      ['<copied 1 KiB', '<copied 2 KiB', '<copied 3 KiB', '\n', '<verified 0 B', '<verified 1 KiB', '\n'],
    );
    assert.equal(written[5], '<verified 1 KiB, 1 KiB/s');
  });

  it('never draws a line that a narrow terminal would wrap', () => {
    for (const columns of [1, 10, 20, 40, 59]) {
      const drawn = bar(columns);
      now = 1_000_007;
      drawn.show(copied(1023 * 2 ** 30, 1024 * 2 ** 30));
      assert.equal(written.length, 1);
      assert.ok((written[0] ?? '').length <= columns, `${columns}: ${written[0]}`);
    }
  });

  it('leaves out the bar itself on a narrow terminal, and is 30 columns wide on a terminal of unknown width', () => {
    bar(59).show(copied(1024, 1024));
    assert.match(written.join(''), /^<100 %, copied/);
    bar(60).show(copied(1024, 1024));
    assert.match(written.join(''), /^<\[#{10}\]/);
    bar(0).show(copied(1024, 1024));
    assert.match(written.join(''), /^<\[#{30}\]/);
  });
});
