/** Symbolic links that another user may have put in place of the expected file. */

import { lstatSync, readlinkSync, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { posixError } from '../errors.js';

const STICKY = 0o1000;
const GROUP_OR_OTHERS_WRITE = 0o022;
const OTHERS_WRITE = 0o002;
/** The kernel's limit: path_resolution(7). */
const MOST_LINKS = 40;

/** `open`: links that the kernel follows with fs.protected_symlinks. `create`: links through which a file may be made. */
export type LinkRule = 'open' | 'create';

/** The effective user, as whom files are opened. */
export function effectiveUser(): number {
  return process.geteuid?.() ?? -1;
}

/** Whether only this user and root can put anything into the directory. */
export function isTrusted({ uid, mode }: Stats): boolean {
  return (uid === effectiveUser() || uid === 0) && (mode & GROUP_OR_OTHERS_WRITE) === 0;
}

/**
 * Rule `open`: in a sticky directory where others can write, such as `/tmp`, the kernel follows links of this user and of the
 * directory's owner where fs.protected_symlinks is set (Documentation/admin-guide/sysctl/fs.rst); here it need not be set. Rule
 * `create`: a link is followed only where no other user can have made it, or can replace it meanwhile.
 */
function mayFollow({ uid }: Stats, directory: Stats, rule: LinkRule): boolean {
  const isForeign = uid !== effectiveUser() && uid !== directory.uid;
  const isSticky = (directory.mode & STICKY) !== 0;
  if (rule === 'open') return !(isSticky && (directory.mode & OTHERS_WRITE) !== 0 && isForeign);
  if (isTrusted(directory)) return true;
  return isSticky && !isForeign && (directory.uid === effectiveUser() || directory.uid === 0);
}

/**
 * Follows the links from the path on, and refuses one that another user can have made. No other user can replace a link that
 * passes.
 *
 * @throws PmemError `EACCES`
 */
export function checkLinks(path: string, rule: LinkRule = 'open'): void {
  for (let at = path, links = 0; links <= MOST_LINKS; links++) {
    const link = lstatSync(at, { throwIfNoEntry: false });
    if (link?.isSymbolicLink() !== true) return;
    const directory = dirname(at);
    if (!mayFollow(link, statSync(directory), rule)) {
      const where = at === path ? 'is a symbolic link' : `leads to the symbolic link '${at}'`;
      throw posixError(
        'EACCES',
        `'${path}' ${where} of user ${link.uid}, in a directory where others can make some; name the file itself`,
        { path },
      );
    }
    const target = readlinkSync(at);
    at = isAbsolute(target) ? target : `${realpathSync(directory)}/${target}`;
  }
}
