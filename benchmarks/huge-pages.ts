/** A hugetlbfs with as much room as is needed, for the time of a suite. Needs root. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const COUNT = '/proc/sys/vm/nr_hugepages';
const PAGE = 2 ** 21;

/** A directory for files on pages of 2 MiB. */
export interface HugePages {
  readonly directory: string;
  /** Gives the pages back. */
  unmount(): void;
}

function free(): number {
  return Number(/^HugePages_Free: *(\d+)$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0);
}

/** Undefined, with a note, where so many bytes cannot be had. */
export function mountHugePages(bytes: number): HugePages | undefined {
  const old = Number(readFileSync(COUNT, 'utf8'));
  const pages = bytes / PAGE;
  const giveBack = () => writeFileSync(COUNT, String(old));
  try {
    writeFileSync(COUNT, String(old + Math.max(0, pages - free())));
    if (free() < pages) throw new Error(`only ${free()} of ${pages} can be had`);
    const directory = mkdtempSync(join(tmpdir(), 'pmem-huge-'));
    execFileSync('mount', ['-t', 'hugetlbfs', '-o', 'pagesize=2M', 'none', directory], { stdio: 'pipe' });
    return {
      directory,
      unmount: () => {
        execFileSync('umount', [directory]);
        rmdirSync(directory);
        giveBack();
      },
    };
  } catch (error) {
    giveBack();
    process.stderr.write(`no pages of 2 MiB (${(error as Error).message}): measuring without them\n`);
    return undefined;
  }
}
