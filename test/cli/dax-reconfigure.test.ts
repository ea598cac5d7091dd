import assert from 'node:assert/strict';
import { pmem } from './run.js';

describe('pmem dax reconfigure', () => {
  it('refuses a wrong command line', async () => {
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
      const { code, stdout, stderr } = await pmem(['dax', 'reconfigure', ...words]);
      assert.equal(code, 2, words.join(' '));
      assert.equal(stdout, '');
      assert.match(stderr, message);
    }
  });

  it('fails for a path that is no DAX device, and for a missing device', async () => {
    for (const [name, message] of [
      ['dax99.99', /ENODEV.*'dax99\.99'/],
      ['/dev/dax99.99', /ENODEV/],
      ['/dev/null', /the name of a DAX device/],
    ] as const) {
      const { code, stderr } = await pmem(['dax', 'reconfigure', name, '-m', 'system-ram', '--yes']);
      assert.equal(code, 1);
      assert.match(stderr, message);
    }
  });

  it('is suggested to a user who leaves out the group', async () => {
    const { code, stderr } = await pmem(['reconfigure', 'dax0.0']);
    assert.equal(code, 2);
    assert.match(stderr, /unknown command 'reconfigure'\. Did you mean 'dax reconfigure'\?/);
  });

  it('warns in its help that system-ram destroys data', async () => {
    const { code, stdout } = await pmem(['help', 'dax', 'reconfigure']);
    assert.equal(code, 0);
    assert.match(stdout.replace(/\s+/g, ' '), /To system-ram destroys what the device holds/);
  });
});
