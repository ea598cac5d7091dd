/** `pmem dax copy`: to and from devices that can only be mapped. */

import { type CopyReport, copyDevice } from '../../devdax/copy/copy.js';
import type { CopyOptions } from '../../devdax/copy/options.js';
import { formatSize } from '../../units.js';
import { sizeValue } from '../arguments.js';
import { type Arguments, type Command, UsageError } from '../command.js';
import { print, printJson } from '../output.js';
import { ProgressBar } from '../progress-bar.js';
import { BREAK, emit } from '../terminal.js';

const NAME = 'dax copy';

function emulated(text: string | undefined): CopyOptions['emulate'] {
  if (text === undefined || text === 'input' || text === 'output' || text === 'both') return text;
  throw new UsageError(`--emulate must be input, output or both; got '${text}'`, NAME);
}

function inWords({ bytes, durable, verified }: CopyReport, zero: boolean, seconds: number): string {
  const what = `${formatSize(bytes)} (${bytes} bytes) ${zero ? 'zeroed' : 'copied'}`;
  const speed = formatSize(Math.round(bytes / Math.max(seconds, 0.001)));
  return `${what} in ${seconds.toFixed(2)} s, ${speed}/s${durable ? '' : '; not durable'}${verified ? '; verified' : ''}`;
}

/** What it did goes to stderr where the bytes go to stdout. */
async function run({ flags, values }: Arguments): Promise<number> {
  const [input, output] = [values.get('input'), values.get('output')];
  const zero = flags.has('zero');
  if (input === undefined && output === undefined) {
    throw new UsageError('copy needs --input, --output, or both; the other one is stdin or stdout', NAME);
  }
  if (zero && output === undefined) throw new UsageError('--zero needs --output', NAME);
  if (zero && input !== undefined) throw new UsageError('--zero has no --input', NAME);
  const fromStdin = !zero && (input === undefined || input === '-');
  const toStdout = output === undefined || output === '-';
  if (fromStdin && values.has('skip'))
    throw new UsageError('--skip needs --input PATH: stdin has no place to begin', NAME);
  if (toStdout && values.has('seek'))
    throw new UsageError('--seek needs --output PATH: stdout has no place to begin', NAME);
  if (toStdout && flags.has('exclusive'))
    throw new UsageError('--exclusive needs --output PATH: stdout is there already', NAME);
  if (toStdout && flags.has('verify'))
    throw new UsageError('--verify needs --output PATH: stdout cannot be read', NAME);
  const progress = process.stderr.isTTY ? new ProgressBar(process.stderr) : undefined;
  const before = performance.now();
  const report = await copyDevice({
    input: fromStdin ? process.stdin : input,
    output: toStdout ? process.stdout : output,
    skip: sizeValue(values, 'skip', NAME),
    seek: sizeValue(values, 'seek', NAME),
    length: sizeValue(values, 'length', NAME),
    exclusive: flags.has('exclusive'),
    zero,
    verify: flags.has('verify'),
    emulate: emulated(values.get('emulate')),
    assumePersistent: flags.has('assume-persistent') ? true : undefined,
    onProgress: progress && ((one) => progress.show(one)),
    onOverwrite: (what) =>
      emit(process.stderr, `pmem: warning: '${output}' holds ${what}, which is overwritten${BREAK}`),
  }).finally(() => {
    progress?.end();
    // Who writes to it may not be done yet; we are.
    if (fromStdin) process.stdin.destroy();
  });
  const seconds = (performance.now() - before) / 1000;
  const stream = toStdout ? process.stderr : process.stdout;
  if (flags.has('json')) printJson({ ...report, seconds }, stream);
  else print(inWords(report, zero, seconds), stream);
  return 0;
}

export const daxCopy: Command = {
  name: NAME,
  operands: '',
  summary: 'to and from a device: dd for what can only be mapped',
  description: [
    'Copies all of the input, or --length bytes of it, and is done when the bytes are durable. At least one end is a device: /dev/daxX.Y, /dev/mem, a PCI resource, or a regular file with --emulate. The other one may be a file, which is made if it is not there (for this user only) and never truncated, a block device, or a pipe. Left out, an end is stdin or stdout. Offsets and lengths need not be aligned.',
    'Refuses before it begins what does not fit, and a device that another process has open, or that is mounted. Says on stderr what it overwrites on a device that is not blank.',
  ],
  options: {
    input: { type: 'string', short: 'i', value: 'PATH', help: 'where the bytes come from; - is stdin' },
    output: { type: 'string', short: 'o', value: 'PATH', help: 'where they go; - is stdout' },
    skip: { type: 'string', short: 'k', value: 'SIZE', help: 'leave out the beginning of the input' },
    seek: { type: 'string', short: 's', value: 'SIZE', help: 'begin here in the output' },
    length: { type: 'string', short: 'l', value: 'SIZE', help: 'so many bytes; 2MiB, 1G' },
    exclusive: {
      type: 'boolean',
      help: 'the output is a file that is not there yet; anything that is there is refused',
    },
    zero: { type: 'boolean', short: 'z', help: 'store zeroes, without an input' },
    verify: { type: 'boolean', help: 'read both again and compare them' },
    emulate: {
      type: 'string',
      value: 'END',
      help: 'input, output or both: the regular file there is taken for a device, mapped and never made longer',
    },
    'assume-persistent': {
      type: 'boolean',
      help: 'store with cache flushes although the kernel promises nothing (tmpfs)',
    },
    json: { type: 'boolean', help: 'print an object for scripts; to stderr where the bytes go to stdout' },
  },
  run,
};
