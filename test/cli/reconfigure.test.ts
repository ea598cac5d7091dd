import assert from 'node:assert/strict';
import { pmem } from './run.js';

describe('pmem reconfigure', () => {
  it('says what is wrong with the command line', async () => {
    const wrong: [words: string[], message: RegExp][] = [
      [[], /PATH is missing/],
      [['dax0.0'], /--mode is missing/],
      [['dax0.0', '--mode'], /needs a value/],
      [['dax0.0', '--mode', 'ram'], /must be system-ram or devdax; got 'ram'/],
      [['dax0.0', 'dax0.1', '--mode', 'devdax'], /unexpected argument 'dax0.1'/],
      [['dax0.0', '--mode', 'devdax', '--no-online'], /--no-online goes with --mode system-ram/],
      [['dax0.0', '--mode', 'devdax', '--no-movable'], /--no-movable goes with --mode system-ram/],
      [['dax0.0', '--mode', 'devdax', '--yes'], /--yes goes with --mode system-ram/],
      [
        ['dax0.0', '--mode=system-ram', '--no-online', '--no-movable', '--yes'],
        /--no-movable says how.*--no-online not to/,
      ],
      [['dax0.0', '--mode=devdax', '--forced'], /unknown option '--forced'.*--force/],
    ];
    for (const [words, message] of wrong) {
      const { code, stdout, stderr } = await pmem(['reconfigure', ...words]);
      assert.equal(code, 2, words.join(' '));
      assert.equal(stdout, '');
      assert.match(stderr, message);
    }
  });

  it('fails for what is no DAX device, or none that there is', async () => {
    for (const [name, message] of [
      ['dax99.99', /ENODEV.*'dax99\.99'/],
      ['/dev/dax99.99', /ENODEV/],
      ['/dev/null', /the name of a DAX device/],
    ] as const) {
      const { code, stderr } = await pmem(['reconfigure', name, '-m', 'system-ram', '--yes']);
      assert.equal(code, 1);
      assert.match(stderr, message);
    }
  });

  it('warns in its help', async () => {
    const { code, stdout } = await pmem(['help', 'reconfigure']);
    assert.equal(code, 0);
    assert.match(stdout.replace(/\s+/g, ' '), /To system-ram destroys what the device holds/);
  });
});
