/** A hugetlbfs of the needed size, for the time of a suite. Needs root. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PAGE = 2 ** 21;
const PATHS = '/usr/sbin:/usr/bin:/sbin:/bin';

/** The counter of huge pages, and the commands that mount and unmount. Tests replace it. */
export interface HugePageHost {
  readonly count: string;
  readonly meminfo: string;
  /** Commands, without their last argument, the directory. */
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
  /** Gives the pages back, even if the directory cannot be unmounted. It throws in that case. */
  unmount(): void;
}

function run([command, ...words]: readonly [string, ...string[]], directory: string): void {
  execFileSync(command, [...words, directory], { env: { PATH: PATHS }, stdio: 'pipe' });
}

/**
 * A process that does the work of `unmount` if this process ends without it: a signal's listener would wait for the measurement. It learns of
 * the end from its standard input. It subtracts the pages that were added, so that pages which others reserved meanwhile stay.
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
  // By absolute paths, because this runs as root.
  const child = spawn('/bin/sh', words, { detached: true, env: { PATH: PATHS }, stdio: ['pipe', 'ignore', 'ignore'] });
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  return child;
}

/** Undefined, with a note, if so many bytes are not available. */
export function mountHugePages(bytes: number, host: HugePageHost = HOST): HugePages | undefined {
  const counted = () => Number(readFileSync(host.count, 'utf8'));
  const free = () => Number(/^HugePages_Free: *(\d+)$/m.exec(readFileSync(host.meminfo, 'utf8'))?.[1] ?? 0);
  const pages = Math.ceil(bytes / PAGE);
  const home = mkdtempSync(join(tmpdir(), 'pmem-huge-'));
  const directory = mkdtempSync(join(home, 'mounted-'));
  /** Number of pages to give back. */
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
