/** The reproductions, and what each must print once its fault is mended. */

import type { Ended } from './run.js';

/** One way to start a program of the directory, and its right outcome. */
export interface Reproduction {
  /** The path below the directory: `memory/01-….mjs`. */
  readonly file: string;
  readonly execArgv?: readonly string[];
  readonly args?: readonly string[];
  /** Needs this program to run. */
  readonly tool?: string;
  /** Runs as root in a mount namespace of its own, after these shell commands. */
  readonly mounts?: string;
  /** What of the API the program calls in a way that has changed since: texts, and what replaces them. */
  readonly since?: readonly (readonly [before: string, now: string])[];
  /** What is wrong; undefined if nothing is. */
  readonly judge: (ended: Ended) => string | undefined;
}

type Judge = Reproduction['judge'];

/** It ends by itself with code 0, and prints all of this and none of that. */
function prints(wanted: readonly RegExp[], unwanted: readonly RegExp[] = []): Judge {
  return ({ code, stdout }) => {
    if (code !== 0) return `it ended with ${code}, not with 0`;
    for (const one of wanted) if (!one.test(stdout)) return `it does not print ${one}`;
    for (const one of unwanted) if (one.test(stdout)) return `it prints ${one}`;
    return undefined;
  };
}

/** A call that used to return throws with this code, which nothing catches. */
function throws(code: string, unwanted: RegExp): Judge {
  return ({ code: status, stdout, stderr }) => {
    if (unwanted.test(stdout)) return `it prints ${unwanted}`;
    if (status !== 1) return `it ended with ${status}, not with an uncaught error`;
    return stderr.includes(code) ? undefined : `nothing throws ${code}`;
  };
}

/** As {@link prints}, with so few lines on standard error that no log is flooded. */
function survivesQuietly(wanted: RegExp): Judge {
  return (ended) => {
    const lines = ended.stderr.split('\n').filter((line) => line !== '').length;
    return prints([wanted])(ended) ?? (lines <= 4 ? undefined : `it has ${lines} lines on standard error`);
  };
}

/** Every line about a place that forgets at power-off says that persist throws. */
function refusesVolatile(marks: RegExp, except: RegExp = /$^/): Judge {
  return ({ stdout }) => {
    const lines = stdout.split('\n').filter((line) => line !== '');
    if (lines.length === 0) return 'it prints nothing';
    const wrong = lines.filter((line) => marks.test(line) && !except.test(line));
    return wrong.length === 0 ? undefined : `taken for durable: ${wrong.join('; ')}`;
  };
}

/** The inner persistAll syncs the middle of the region; the outer one has to sync its beginning. */
const syncsTheBeginning: Judge = ({ code, stderr }) => {
  if (code !== 0) return `it ended with ${code}`;
  const synced = [...stderr.matchAll(/msync\(0x([0-9a-f]+),/g)].map(([, at]) => Number.parseInt(at ?? '', 16));
  const beginnings = synced.filter((at) => synced.includes(at + 512 * 1024));
  return beginnings.length > 0 ? undefined : 'no msync covers the first range';
};

export const REPRODUCTIONS: readonly Reproduction[] = [
  {
    file: 'memory/01-known-bytes-uaf.mjs',
    execArgv: ['--expose-gc'],
    judge: prints([/filled A: true/, /overwritten: 0 /]),
  },
  {
    file: 'memory/02-known-bytes-vm-timeout.mjs',
    execArgv: ['--expose-gc'],
    judge: prints([/memory holds A: true/, /A is filled: true/, /overwritten: false/]),
  },
  { file: 'memory/03-known-bytes-vm-small.mjs', judge: prints([/^0 of 50 /m]) },
  {
    file: 'memory/04-persistall-getter.mjs',
    tool: 'strace',
    since: [["slice('512KiB')", 'slice(2 ** 19)']],
    judge: syncsTheBeginning,
  },
  { file: 'memory/05-max-map-count.mjs', judge: survivesQuietly(/^alive /m) },
  {
    file: 'memory/05-max-map-count.mjs',
    args: ['/dev/shm/reproduction-05', 'store'],
    judge: survivesQuietly(/^alive /m),
  },
  { file: 'memory/06-stderr-pipe-full.mjs', judge: ({ stdout }) => (/done"/.test(stdout) ? undefined : 'it hangs') },
  { file: 'memory/07-tostring-race.mjs', args: ['read'], judge: prints([/^survived/m]) },
  { file: 'memory/08-nontemporal-order.mjs', judge: prints([/: 0 of \d+ looks/]) },
  {
    file: 'memory/09-volatile-not-noticed.sh',
    mounts: 'true',
    // What lies below a container's root cannot be seen from inside of it.
    judge: refusesVolatile(/SUCCEEDED/, /^container/),
  },
  {
    file: 'memory/10-persist-truncated-extent.mjs',
    since: [
      ['start: 4 * MIB, end: 6 * MIB - 1', 'offset: 4 * MIB, length: 2 * MIB'],
      ['start: 0, end: 2 * MIB - 1', 'offset: 0, length: 2 * MIB'],
    ],
    judge: throws('ERR_PMEM_TRUNCATED', /returned/),
  },
  {
    file: 'memory/14-btt-vm-timeout.mjs',
    // Where persistence is assumed: on a disk each of its writes would be an msync.
    args: ['/dev/shm/reproduction-14', 'assume'],
    judge: prints([/wrong: 0/, /status: 'clean'/]),
  },
  { file: 'memory/16-truncated-within-a-page.mjs', judge: throws('ERR_PMEM_TRUNCATED', /returned three times/) },
  { file: 'memory/18-polluted-options.mjs', judge: throws('ERR_PMEM_VOLATILE', /persist returned/) },
  { file: 'memory/21-close-race.mjs', args: ['300'], judge: prints([/^survived/m]) },
  { file: 'memory/22-worker-and-listener.mjs', judge: prints([/^worker: ERR_PMEM_TRUNCATED/m]) },
  { file: 'memory/23-listener-same-tick.mjs', judge: prints([/^ERR_PMEM_TRUNCATED/m]) },
  { file: 'memory/24-undo-deletes-others.mjs', judge: prints([/lost: 0,/], [/acknowledged: 0,/]) },
  {
    file: 'wild/eintr.mjs',
    execArgv: ['--cpu-prof', '--cpu-prof-dir=profile'],
    args: ['/dev/shm/reproduction-eintr', '256MiB'],
    judge: prints([/^opened/m]),
  },
  {
    file: 'wild/holes.mjs',
    mounts: 'mount -t tmpfs -o size=160m none /mnt',
    judge: survivesQuietly(/^survived/m),
  },
  { file: 'wild/readonly-many.mjs', judge: survivesQuietly(/^survived/m) },
  { file: 'wild/truncated-many.mjs', judge: survivesQuietly(/^survived/m) },
  { file: 'wild/flood.py', tool: 'python3', judge: prints([/'done\\n' 0/], [/hangs/]) },
  { file: 'wild/volatile.sh', mounts: 'true', judge: refusesVolatile(/persisted/) },
];
