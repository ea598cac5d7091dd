import assert from 'node:assert/strict';
import { formatTime } from '#dist/cli/demo/text.js';
import { distance, nearest } from '#dist/cli/suggest.js';
import { rendered } from '#dist/cli/terminal/emit.js';
import { colours, widthOn, wrap } from '#dist/cli/terminal/style.js';
import { table } from '#dist/cli/terminal/table.js';

describe('the texts of the command:', () => {
  it('distance counts edits, a swap of neighbours as one', () => {
    const cases: [string, string, number][] = [
      ['', '', 0],
      ['', 'abc', 3],
      ['abc', '', 3],
      ['list', 'list', 0],
      ['lst', 'list', 1],
      ['ilst', 'list', 1],
      ['lisst', 'list', 1],
      ['lint', 'list', 1],
      ['kitten', 'sitting', 3],
    ];
    for (const [a, b, edits] of cases) assert.equal(distance(a, b), edits, `${a} ${b}`);
  });

  it('nearest suggests a near word, and no far one', () => {
    const known = ['info', 'explain', 'list', 'demo', 'help'];
    const cases: [string, string | undefined][] = [
      ['LIST', 'list'],
      ['inof', 'info'],
      ['explian', 'explain'],
      ['ex', 'explain'],
      ['x', undefined],
      ['frobnicate', undefined],
      ['', undefined],
    ];
    for (const [word, found] of cases) assert.equal(nearest(word, known), found, word);
  });

  it('wrap breaks lines at blanks, within 80 columns, indented', () => {
    const words = Array.from({ length: 60 }, (_, i) => 'x'.repeat(1 + (i % 9)));
    const text = rendered(`    ${wrap(words.join(' '), 4)}`);
    const lines = text.split('\n');
    assert.ok(lines.length > 1);
    for (const line of lines) assert.match(line, /^ {4}\S.{0,75}$/);
    assert.deepEqual(text.split(/\s+/).filter(Boolean), words);
    assert.equal(wrap('y'.repeat(100), 4), 'y'.repeat(100));
  });

  it('wrap fits a narrow terminal, down to 40 columns', () => {
    const text = 'word '.repeat(40).trimEnd();
    for (const [columns, width] of [
      [60, 60],
      [20, 40],
      [200, 80],
      [0, 80],
    ] as const) {
      assert.equal(widthOn({ columns } as NodeJS.WriteStream), width);
      for (const line of rendered(wrap(text, 0, width)).split('\n')) assert.ok(line.length <= width, line);
    }
  });

  it('table lines columns up, and ends no line in a blank', () => {
    const lines = table(
      [{ heading: 'A' }, { heading: 'BB', right: true }, { heading: 'C' }],
      [
        ['long', '1', ''],
        ['x', '1234', 'c'],
      ],
    );
    assert.deepEqual(lines, ['A       BB  C', 'long     1', 'x     1234  c']);
  });

  it('formatTime writes three digits', () => {
    const cases: [number, string][] = [
      [0, '0 ns'],
      [104.4, '104 ns'],
      [999.4, '999 ns'],
      [999.6, '1 µs'],
      [94_123, '94.1 µs'],
      [1_060_000, '1.06 ms'],
      [12_300_000_000, '12.3 s'],
      [5_000_000_000_000, '5000 s'],
    ];
    for (const [nanoseconds, text] of cases) assert.equal(formatTime(nanoseconds), text);
  });

  it('colours are for terminals only, and off where NO_COLOR is set or TERM is dumb', () => {
    const { NO_COLOR, TERM } = process.env;
    const terminal = { isTTY: true } as NodeJS.WriteStream;
    try {
      delete process.env['NO_COLOR'];
      process.env['TERM'] = 'xterm';
      assert.equal(rendered(colours(terminal).bad('x')), '\u001b[31mx\u001b[39m');
      assert.equal(colours({ isTTY: false } as NodeJS.WriteStream).bad('x'), 'x');
      process.env['TERM'] = 'dumb';
      assert.equal(colours(terminal).bad('x'), 'x');
      process.env['TERM'] = 'xterm';
      process.env['NO_COLOR'] = '1';
      assert.equal(colours(terminal).bad('x'), 'x');
    } finally {
      if (NO_COLOR === undefined) delete process.env['NO_COLOR'];
      else process.env['NO_COLOR'] = NO_COLOR;
      if (TERM === undefined) delete process.env['TERM'];
      else process.env['TERM'] = TERM;
    }
  });
});
