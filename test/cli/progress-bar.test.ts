import assert from 'node:assert/strict';
import { ProgressBar } from '#dist/cli/progress-bar.js';

describe('the progress bar of pmem dax copy', () => {
  let now = 0;
  let written: string[] = [];
  const terminal = { columns: 80, write: (text: string) => written.push(text.replace('\r\x1b[K', '<')) };

  /** A process that began a moment before the copy. */
  function bar(columns = 80): ProgressBar {
    now = 7;
    written = [];
    return new ProgressBar({ ...terminal, columns }, () => now);
  }

  const copied = (done: number, total?: number) => ({ phase: 'copy', done, total }) as const;

  it('draws at once, however young the process is', () => {
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

  it('draws the end at once, and only once', () => {
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

  it('writes nothing, not even the end of a line, where nothing was told', () => {
    bar().end();
    assert.deepEqual(written, []);
  });

  it('leaves out the bar itself on a narrow terminal, and is 30 columns on one of unknown width', () => {
    bar(59).show(copied(1024, 1024));
    assert.match(written.join(''), /^<100 %, copied/);
    bar(60).show(copied(1024, 1024));
    assert.match(written.join(''), /^<\[#{10}\]/);
    bar(0).show(copied(1024, 1024));
    assert.match(written.join(''), /^<\[#{30}\]/);
  });
});
