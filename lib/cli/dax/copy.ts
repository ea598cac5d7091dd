/** `pmem dax copy`: to and from devices that can only be mapped. */

import { type CopyReport, copyDevice } from '../../devdax/copy/copy.js';
import { formatSize } from '../../units.js';
import type { Arguments } from '../arguments.js';
import { type Command, UsageError } from '../command.js';
import { ASSUME_PERSISTENT } from '../options.js';
import { BREAK, emit } from '../terminal/emit.js';
import { print, printJson } from '../terminal/output.js';
import { withProgress } from '../terminal/progress.js';

const VERBS = { copy: 'copied', verify: 'verified' };

function inWords({ bytes, durable, verified }: CopyReport, zero: boolean, seconds: number): string {
  const exact = bytes < 1024 ? '' : ` (${bytes} bytes)`;
  const what = `${formatSize(bytes)}${exact} ${zero ? 'zeroed' : 'copied'}`;
  const speed = formatSize(Math.round(bytes / Math.max(seconds, 0.001)));
  return `${what} in ${seconds.toFixed(2)} s, ${speed}/s${durable ? '' : '; not durable'}${verified ? '; verified' : ''}`;
}

/** Refuses options that the chosen ends cannot honour. */
function check(args: Arguments, fromStdin: boolean, toStdout: boolean): void {
  const zero = args.has('zero');
  if (!args.has('input') && !args.has('output')) {
    throw new UsageError('copy needs --input, --output, or both; the other end is stdin or stdout');
  }
  if (zero && !args.has('output')) throw new UsageError('--zero needs --output');
  if (zero && args.has('input')) throw new UsageError('--zero has no --input');
  if (fromStdin && args.has('skip')) throw new UsageError('--skip needs --input PATH: stdin has no offsets');
  if (!toStdout) return;
  for (const [option, why] of [
    ['seek', 'stdout has no offsets'],
    ['exclusive', 'stdout exists already'],
    ['verify', 'stdout cannot be read'],
  ] as const) {
    if (args.has(option)) throw new UsageError(`--${option} needs --output PATH: ${why}`);
  }
}

async function run(args: Arguments): Promise<number> {
  const [input, output] = [args.text('input'), args.text('output')];
  const zero = args.has('zero');
  const fromStdin = !zero && (input === undefined || input === '-');
  const toStdout = output === undefined || output === '-';
  check(args, fromStdin, toStdout);
  const copy = {
    input: fromStdin ? process.stdin : input,
    output: toStdout ? process.stdout : output,
    skip: args.size('skip'),
    seek: args.size('seek'),
    length: args.size('length'),
    exclusive: args.has('exclusive'),
    zero,
    verify: args.has('verify'),
    emulate: args.choice('emulate', ['input', 'output', 'both']),
    assumePersistent: args.has('assume-persistent') ? true : undefined,
    onOverwrite: (what: string) =>
      emit(process.stderr, `pmem: warning: '${output}' holds ${what}, which is overwritten${BREAK}`),
  };
  const before = performance.now();
  const report = await withProgress(VERBS, (onProgress) => copyDevice({ ...copy, onProgress })).finally(() => {
    // The other end of the pipe may not be done yet, but this command is.
    if (fromStdin) process.stdin.destroy();
  });
  const seconds = (performance.now() - before) / 1000;
  // Where the bytes go to stdout, the report goes to stderr.
  const stream = toStdout ? process.stderr : process.stdout;
  if (args.has('json')) printJson({ ...report, seconds }, stream);
  else print(inWords(report, zero, seconds), stream);
  return 0;
}

export const daxCopy: Command = {
  description: [
    'Copies all of the input, or --length bytes of it, and returns when the bytes are durable. At least one end is a device: /dev/daxX.Y, /dev/mem, a PCI resource, or a regular file with --emulate. The other end may be a file, a block device or a pipe. A missing output file is made, for this user only; no file is truncated. An end that is left out is stdin or stdout. Offsets and lengths need not be aligned.',
    'Before it begins, it refuses a length that does not fit, and a device that another process has open or that is mounted. It says on stderr what it overwrites on a device that is not blank.',
  ],
  options: {
    input: { type: 'string', short: 'i', value: 'PATH', help: 'where the bytes come from; - is stdin' },
    output: { type: 'string', short: 'o', value: 'PATH', help: 'where the bytes go; - is stdout' },
    skip: { type: 'string', short: 'k', value: 'SIZE', help: 'leave out the first SIZE bytes of the input' },
    seek: { type: 'string', short: 's', value: 'SIZE', help: 'begin SIZE bytes into the output' },
    length: { type: 'string', short: 'l', value: 'SIZE', help: 'copy SIZE bytes: 2MiB, 1G' },
    exclusive: { type: 'boolean', help: 'make a new file as output; refuse whatever exists there' },
    zero: { type: 'boolean', short: 'z', help: 'store zeroes, without an input' },
    verify: { type: 'boolean', help: 'read both ends again and compare them' },
    emulate: {
      type: 'string',
      value: 'END',
      help: 'input, output or both: treat the regular file there as a device, mapped and never extended',
    },
    'assume-persistent': ASSUME_PERSISTENT,
    json: { type: 'boolean', help: 'print a JSON object for scripts; to stderr where the bytes go to stdout' },
  },
  examples: [
    'pmem dax copy -i disk.img -o /dev/dax0.0 --verify',
    'pmem dax copy -i /dev/dax0.0 -l 1GiB | zstd > backup.zst',
  ],
  run,
};
