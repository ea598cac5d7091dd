/** What others may have put in place of what is meant, where they can: planted files, and planted links. */

import { fstatSync, lstatSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type PmemError, posixError } from '../../errors.js';
import { effectiveUser, isTrusted } from '../../linux/links.js';

/**
 * Refuses a file that somebody else can have put at the path for us to find and to fill: what fs.protected_regular=2 and
 * fs.protected_fifos=2 refuse to open with O_CREAT, and also in directories that are not sticky. Whose it is, is asked of the file
 * that was seen.
 */
export function refusePlanted(seen: number, path: string, real: string): void {
  // What the kernel calls it need not be a path here: of a file that was passed in from elsewhere, it is none.
  const [place, directory] = directoryOf(real) ?? directoryOf(path) ?? ['/', statSync('/')];
  const { uid } = fstatSync(seen);
  if (isTrusted(directory) || uid === effectiveUser() || uid === directory.uid) return;
  throw posixError(
    'EACCES',
    `'${path}' was there before, and belongs to user ${uid}: in '${place}', where others can make files, one is taken only if it is ` +
      `of this user (${effectiveUser()}) or the directory's (${directory.uid}). Choose another path; or open it without create: true`,
    { path },
  );
}

function directoryOf(path: string): [string, Stats] | undefined {
  const place = dirname(path);
  const status = statSync(place, { throwIfNoEntry: false });
  return status === undefined ? undefined : [place, status];
}

/** A link that leads nowhere, where a file was to be made. */
export function danglingLink(path: string): PmemError {
  return posixError(
    'ELOOP',
    `'${path}' is a symbolic link to a file that does not exist, and none is made through a link; name the file itself`,
    { path },
  );
}

/** Whether there is a name at the path, be it of a link that leads nowhere. */
export function isTaken(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
