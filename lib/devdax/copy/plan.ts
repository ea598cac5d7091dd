/** How many bytes a copy is about, or why it is refused. */

import { outOfRange, posixError, wrongValue } from '../../errors.js';
import type { EndFacts } from './end.js';
import type { CheckedCopy } from './options.js';

/** What follows from the ends' sizes and the options. */
export interface Plan {
  /** Bytes to copy; of a stream that is read to its end, the room that there is for it. */
  readonly total: number;
  /** The input may end earlier, and must not go on after `total`. */
  readonly openEnded: boolean;
}

function rest(size: number | undefined, start: number, name: string): number | undefined {
  if (size === undefined) return undefined;
  if (start > size) throw outOfRange(`options.${name}`, `at most ${size}, the size in bytes,`, start);
  return size - start;
}

function refuseSame({ skip, seek }: CheckedCopy, from: EndFacts | undefined, to: EndFacts, total: number): void {
  if (from?.identity === undefined || from.identity !== to.identity) return;
  if (skip + total <= seek || seek + total <= skip) return;
  throw posixError(
    'EINVAL',
    `input and output are the same, and bytes ${skip} to ${skip + total} overlap with bytes ${seek} to ${seek + total}`,
  );
}

/** Checks the options against what the ends are; nothing has been changed yet when it throws. */
export function plan(options: CheckedCopy, from: EndFacts | undefined, to: EndFacts): Plan {
  const { skip, seek, length, verify } = options;
  if (to.kind !== 'memory' && from?.kind !== 'memory') {
    throw posixError(
      'EINVAL',
      'neither input nor output is a device that is mapped; cp and dd copy files. ' +
        "emulate: 'input', 'output' or 'both' takes a regular file for a device",
    );
  }
  if (from?.kind === 'stream' && skip > 0) throw wrongValue('options.skip', 'left out for a stream', skip);
  if (to.kind === 'stream' && seek > 0) throw wrongValue('options.seek', 'left out for a stream', seek);
  if (verify && to.kind === 'stream') throw posixError('EINVAL', 'a stream cannot be read again to verify it');
  const available = from === undefined ? undefined : rest(from.size, skip, 'skip');
  const room = to.grows ? undefined : rest(to.size, seek, 'seek');
  const total = length ?? available ?? room;
  if (total === undefined) {
    throw posixError('EINVAL', 'physical memory has no end; say with length how many bytes are meant');
  }
  if (available !== undefined && total > available) {
    throw outOfRange('options.length', `at most ${available}, what the input has from ${skip} on,`, total);
  }
  if (room !== undefined && total > room) {
    if (length !== undefined) {
      throw outOfRange('options.length', `at most ${room}, what fits in from ${seek} on,`, length);
    }
    throw posixError(
      'ENOSPC',
      `the input has ${total} bytes, and ${room} fit in from ${seek} on; length copies a part`,
    );
  }
  refuseSame(options, from, to, total);
  const openEnded = from?.kind === 'stream' && length === undefined;
  if (openEnded && total === 0) throw posixError('ENOSPC', `there is no room from ${seek} on`);
  return { total, openEnded };
}
