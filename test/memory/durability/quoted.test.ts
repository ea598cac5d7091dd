/** Paths in the commands that `explain` advises. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { quoted } from '#dist/memory/durability/obstacles.js';
import { printable } from '#dist/printable.js';

describe('a path in a command of an obstacle', () => {
  const paths = [
    '/mnt/pmem',
    '/mnt/two words',
    '/mnt/it\'s $HOME `id` \\ "x" *',
    '/mnt/\u001b[2J\u0007 \n%s%d 100% \\x1b',
    '/mnt/\u202eright to left',
    '/mnt/日本',
  ];
  for (const path of paths) {
    it(`reaches the program unchanged, and the terminal without control characters: ${printable(path)}`, () => {
      const word = quoted(path);
      assert.equal(printable(word), word);
      assert.equal(execFileSync('/bin/sh', ['-c', `printf %s ${word}`], { encoding: 'utf8' }), path);
    });
  }

  it('names the same directory where its name ends in a line feed', () => {
    const word = quoted('/mnt/x\n');
    assert.equal(execFileSync('/bin/sh', ['-c', `printf %s ${word}`], { encoding: 'utf8' }), '/mnt/x\n/.');
  });
});
