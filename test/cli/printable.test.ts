/** Foreign names cannot move a terminal's cursor, nor begin a line that looks like ours. */

import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { PmemError, Region } from 'pmem';
import { deviceJson, deviceTable } from '#dist/cli/list.js';
import { BREAK, control, rendered } from '#dist/cli/terminal/emit.js';
import { jsonText } from '#dist/cli/terminal/output.js';
import { colours } from '#dist/cli/terminal/style.js';
import type { PmemDevice } from '#dist/memory/devices.js';
import { printable } from '#dist/printable.js';
import { childValue, startChild } from '../support/child.js';
import { onTmpfs } from '../support/temp.js';
import { pmem } from './run.js';

/** What ECMA-48, Unicode's bidirectional algorithm and its line breaking give a meaning beside a character's own. */
const HOSTILE: Readonly<Record<string, [text: string, shown: string]>> = {
  'an escape sequence': ['\u001b[2J', '\\x1b[2J'],
  'a window title': ['\u001b]0;x\u0007', '\\x1b]0;x\\x07'],
  'a line feed': ['\n', '\\x0a'],
  'a carriage return': ['\r', '\\x0d'],
  'a backspace': ['\b', '\\x08'],
  DEL: ['\u007f', '\\x7f'],
  'CSI of C1': ['\u009b2J', '\\xc2\\x9b2J'],
  'NEL of C1': ['\u0085', '\\xc2\\x85'],
  'an override from right to left': ['\u202e', '\\xe2\\x80\\xae'],
  'an isolate': ['\u2066', '\\xe2\\x81\\xa6'],
  'a mark from right to left': ['\u200f', '\\xe2\\x80\\x8f'],
  'a line separator': ['\u2028', '\\xe2\\x80\\xa8'],
  'a paragraph separator': ['\u2029', '\\xe2\\x80\\xa9'],
  'half a character': ['\ud800', '\\xef\\xbf\\xbd'],
};
const ALL = `a${Object.values(HOSTILE)
  .map(([text]) => text)
  .join('b')}z`;
/** As the name of a file, which cannot be half a character. */
const NAME = ALL.replace('\ud800', '');
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Cs}]/u;

function thrown(call: () => unknown): PmemError {
  try {
    call();
  } catch (error) {
    return error as PmemError;
  }
  throw new Error('nothing was thrown');
}

/** But for the ends of lines. */
function assertSeen(text: string): void {
  assert.doesNotMatch(text.replaceAll('\n', ''), UNSEEN, JSON.stringify(text));
}

describe('foreign text printed by pmem', () => {
  const file = onTmpfs();

  for (const [name, [text, shown]] of Object.entries(HOSTILE)) {
    it(`shows ${name} in hexadecimal`, () => {
      assert.equal(printable(`x${text}y`), `x${shown}y`);
      assert.equal(printable(printable(`x${text}y`)), `x${shown}y`);
      assert.equal(rendered(`x${text}y`), `x${shown}y`);
    });
  }

  it('keeps letters of all scripts, emoji and backslashes', () => {
    const text = 'é日本ｆｕｌｌ🙂עברית\\x1b e\u0301';
    assert.equal(printable(text), text);
  });

  it('cannot forge a colour or a line end of the command', () => {
    const red = colours({ isTTY: true } as NodeJS.WriteStream).bad('x');
    // What another process of the command would say: its marks are others.
    const forged = control('\u001b[2J').replace(/[0-9a-f]{8}-/, '00000000-');
    assert.doesNotMatch(rendered(forged), UNSEEN);
    assert.equal(rendered(`${BREAK}${red}`).startsWith('\n'), true);
  });

  it('survives --json unchanged, without control characters in the JSON', () => {
    const value = { [ALL]: [ALL, 'é\u{e0001}'] };
    const text = jsonText(value);
    assertSeen(text);
    assert.doesNotMatch(text, /\u{e0001}/u);
    assert.deepEqual(JSON.parse(text), value);
  });

  it('cannot break rows and columns of a table', () => {
    const device = { name: NAME, mode: 'fsdax', enabled: true, volatile: false, mountPoints: [`/mnt/${NAME}`] };
    const devices = [device, { ...device, name: 'pmem1' }] as unknown as PmemDevice[];
    const lines = deviceTable(devices);
    assert.equal(lines.length, 3);
    for (const line of lines) assert.doesNotMatch(line, UNSEEN);
    assert.equal(lines[1]?.indexOf('fsdax'), lines[2]?.indexOf('fsdax'));
    assertSeen(deviceJson(devices));
  });

  it('reaches neither stdout nor stderr raw from operands, options and file names', async () => {
    const plain = file('plain');
    const path = file(NAME);
    Region.open(plain, { create: true, size: 8192 }).close();
    copyFileSync(plain, path);
    const runs: string[][] = [
      ['info', path],
      ['explain', path, '--json'],
      ['fdisk', '-l', path, `${path}-missing`],
      ['btt', 'info', path],
      ['dax', 'info', path],
      ['dax', 'destroy', path, '--yes'],
      ['list', `--${NAME}`],
      [NAME],
      ['dax', 'copy', '--zero', '--length', '4096', '--output', path],
    ];
    const ended = await Promise.all(runs.map((words) => pmem(words)));
    for (const { stdout, stderr } of ended) {
      assertSeen(stdout);
      assertSeen(stderr);
    }
  });

  it('stays on one line in the error of a missing path', async () => {
    const { code, stderr } = await pmem(['info', `/nowhere/${NAME}`]);
    assert.equal(code, 1);
    assert.match(stderr, /^pmem: ENOENT: [^\n]*\\x1b\[2J[^\n]*\n$/);
    assertSeen(stderr);
  });

  it('is in hexadecimal in messages of errors and causes, and raw in the properties', () => {
    const path = `/nowhere/${NAME}`;
    const error = thrown(() => Region.open(path));
    assert.doesNotMatch(error.message, UNSEEN);
    assert.equal(error.path, path);
    // Properties are quoted by Node.js, which leaves bidirectional controls.
    assert.doesNotMatch(inspect(error).replaceAll('\n', ''), /\p{Cc}/u);
    const type = thrown(() => Region.open(path, { mode: NAME as never }));
    assert.doesNotMatch(type.message, UNSEEN);
    assert.doesNotMatch(new PmemError('EIO', `EIO: ${ALL}`).message, UNSEEN);
  });

  it('names the holder of a lock in the message by its short name, and in a property with its arguments', async () => {
    const path = file('held');
    const child = startChild(
      async (held) => {
        const { Region } = await import('pmem');
        const region = Region.open(held, { create: true, size: 4096 });
        process.title = '\u001b[2J\u009bsecret';
        console.log(region.size);
        process.stdin.on('data', () => {
          region.close(); // until then it is referenced, and not collected
          process.exit();
        });
      },
      [path],
    );
    await child.line();
    const error = thrown(() => Region.open(path));
    assert.equal(error.code, 'ERR_PMEM_LOCKED');
    child.tell('');
    await child.ended;
    assert.match(error.message, new RegExp(`held by process ${child.pid} \\(\\\\x1b\\[2J`));
    assert.doesNotMatch(error.message, UNSEEN);
    const [holder] = error.holders ?? [];
    assert.equal(holder?.pid, child.pid);
    assert.ok(holder?.name.startsWith('\u001b[2J'));
    assert.ok(holder?.command.startsWith('\u001b[2J'));
  });

  it('never has the arguments of a lock holder in the message', async () => {
    const path = file('arguments');
    const child = startChild(
      async (held) => {
        const { Region } = await import('pmem');
        const region = Region.open(held, { create: true, size: 4096 });
        console.log(region.size);
        process.stdin.on('data', () => {
          region.close(); // until then it is referenced, and not collected
          process.exit();
        });
      },
      [path],
    );
    await child.line();
    const message = await childValue(
      async (held) => {
        const { Region } = await import('pmem');
        try {
          Region.open(held);
          return '';
        } catch (error) {
          return (error as Error).message;
        }
      },
      [path],
    );
    child.tell('');
    await child.ended;
    assert.match(message, new RegExp(`held by process ${child.pid} \\([^()]{1,15}\\)\\.`));
  });
});
