/** A hugetlbfs with as much room as is needed, for the time of a suite. Needs root. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PAGE = 2 ** 21;
const PATHS = '/usr/sbin:/usr/bin:/sbin:/bin';

/** Where huge pages are counted, and how a hugetlbfs comes and goes; tests play it. */
export interface HugePageHost {
  readonly count: string;
  readonly meminfo: string;
  /** Commands; the directory comes last. */
  readonly mount: readonly [string, ...string[]];
  readonly umount: readonly [string, ...string[]];
}

const HOST: HugePageHost = {
  count: '/proc/sys/vm/nr_hugepages',
  meminfo: '/proc/meminfo',
  mount: ['/bin/mount', '-t', 'hugetlbfs', '-o', 'pagesize=2M', 'none'],
  umount: ['/bin/umount'],
};

/** A directory for files on pages of 2 MiB. */
export interface HugePages {
  readonly directory: string;
  /** Gives the pages back, also where the directory cannot be unmounted, which it then throws. */
  unmount(): void;
}

function run([command, ...words]: readonly [string, ...string[]], directory: string): void {
  execFileSync(command, [...words, directory], { env: { PATH: PATHS }, stdio: 'pipe' });
}

/**
 * Does what `unmount` does if this process ends without it, however that is: a signal's listener would have to wait for the
 * measuring. Told by the end of its standard input. What others reserved meanwhile is theirs: a difference is taken away.
 */
const WATCH = `trap '' INT TERM HUP
read -r _
directory=$1 kept=$2 file=$3
shift 3
"$@" "$directory" 2>/dev/null
rmdir "$directory" 2>/dev/null
if [ -e "$kept" ]; then echo $(($(cat "$file") - $(cat "$kept"))) >"$file"; rm -f "$kept"; fi
rmdir "$(dirname "$kept")"`;

function watch(directory: string, kept: string, { count, umount }: HugePageHost): ChildProcess {
  const words = ['-c', WATCH, 'sh', directory, kept, count, ...umount];
  // As root: what runs is the system's, not whatever PATH finds.
  const child = spawn('/bin/sh', words, { detached: true, env: { PATH: PATHS }, stdio: ['pipe', 'ignore', 'ignore'] });
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  return child;
}

/** Undefined, with a note, where so many bytes cannot be had. */
export function mountHugePages(bytes: number, host: HugePageHost = HOST): HugePages | undefined {
  const counted = () => Number(readFileSync(host.count, 'utf8'));
  const free = () => Number(/^HugePages_Free: *(\d+)$/m.exec(readFileSync(host.meminfo, 'utf8'))?.[1] ?? 0);
  const pages = Math.ceil(bytes / PAGE);
  const home = mkdtempSync(join(tmpdir(), 'pmem-huge-'));
  const directory = mkdtempSync(join(home, 'mounted-'));
  /** How many pages are to be given back. */
  const kept = join(home, 'kept');
  const giveBack = () => {
    if (!existsSync(kept)) return;
    writeFileSync(host.count, String(Math.max(0, counted() - Number(readFileSync(kept, 'utf8')))));
    rmSync(kept);
  };
  let watching: ChildProcess | undefined;
  const end = () => {
    giveBack();
    rmdirSync(directory);
    if (watching === undefined) rmdirSync(home);
    else watching.stdin?.end(); // which removes the rest
  };
  try {
    const before = counted();
    const missing = Math.max(0, pages - free());
    watching = watch(directory, kept, host);
    if (missing > 0) writeFileSync(host.count, String(before + missing));
    const added = counted() - before;
    if (added > 0) writeFileSync(kept, String(added));
    if (free() < pages) throw new Error(`only ${free()} of ${pages} can be had`);
    run(host.mount, directory);
  } catch (error) {
    process.stderr.write(`no pages of 2 MiB (${(error as Error).message.trim()}): measuring without them\n`);
    end();
    return undefined;
  }
  return {
    directory,
    unmount: () => {
      try {
        run(host.umount, directory);
      } catch (error) {
        giveBack();
        watching?.stdin?.end();
        throw error;
      }
      end();
    },
  };
}
