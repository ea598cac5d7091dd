/** How many bytes a copy is about, or why it cannot be. */

import { outOfRange, PmemError } from '../../errors.js';
import type { CheckedCopy } from './options.js';
import type { Outlook } from './probe-end.js';

/** What was made of the ends' sizes and the options. */
export interface Plan {
  /** Bytes to copy; of a stream that is read to its end, the room there is for it. */
  readonly total: number;
  /** The input may end before, and must not go on behind. */
  readonly openEnded: boolean;
}

function rest(size: number | undefined, start: number, name: string): number | undefined {
  if (size === undefined) return undefined;
  if (start > size) throw outOfRange(name, `at most ${size}, the size in bytes`, start);
  return size - start;
}

function refuseMissing({ input }: CheckedCopy, from: Outlook | undefined): void {
  if (typeof input !== 'string' || from?.kind !== 'file' || from.identity !== undefined) return;
  throw new PmemError('ENOENT', `ENOENT: there is no '${input}' to copy from`, { path: input });
}

function refuseSame({ skip, seek }: CheckedCopy, from: Outlook | undefined, to: Outlook, total: number): void {
  if (from?.identity === undefined || from.identity !== to.identity) return;
  if (skip + total <= seek || seek + total <= skip) return;
  throw new PmemError(
    'EINVAL',
    `EINVAL: input and output are the same, and bytes ${skip} to ${skip + total} overlap with bytes ${seek} to ${seek + total}`,
  );
}

/** Checks the options against what the ends are; nothing has been opened yet when it throws. */
export function plan(options: CheckedCopy, from: Outlook | undefined, to: Outlook): Plan {
  const { skip, seek, length, verify } = options;
  refuseMissing(options, from);
  if (to.kind !== 'memory' && from?.kind !== 'memory') {
    throw new PmemError(
      'EINVAL',
      'EINVAL: neither input nor output is a device that is mapped; cp and dd copy files. ' +
        "emulate: 'input', 'output' or 'both' takes a regular file for a device",
    );
  }
  if (verify && to.kind === 'stream')
    throw new PmemError('EINVAL', 'EINVAL: a stream cannot be read again to verify it');
  const available = from === undefined ? undefined : rest(from.size, skip, 'skip');
  const room = to.grows ? undefined : rest(to.size, seek, 'seek');
  const total = length ?? available ?? room;
  if (total === undefined) {
    throw new PmemError('EINVAL', 'EINVAL: physical memory has no end; say with length how many bytes are meant');
  }
  if (available !== undefined && total > available) {
    throw outOfRange('length', `at most ${available}, what the input has from ${skip} on`, total);
  }
  if (room !== undefined && total > room) {
    if (length !== undefined) throw outOfRange('length', `at most ${room}, what fits in from ${seek} on`, length);
    throw new PmemError(
      'ENOSPC',
      `ENOSPC: the input has ${total} bytes, and ${room} fit in from ${seek} on; length copies a part`,
    );
  }
  refuseSame(options, from, to, total);
  const openEnded = from?.kind === 'stream' && length === undefined;
  if (openEnded && total === 0) throw new PmemError('ENOSPC', `ENOSPC: there is no room from ${seek} on`);
  return { total, openEnded };
}
