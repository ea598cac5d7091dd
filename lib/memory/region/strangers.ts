/** Files and links that somebody else may have planted in place of the user's. */

import { fstatSync, lstatSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type PmemError, posixError } from '../../errors.js';
import { effectiveUser, isTrusted } from '../../linux/links.js';

/**
 * Refuses a file that somebody else can have put at the path for us to find and fill: what fs.protected_regular=2 and
 * fs.protected_fifos=2 refuse to open with O_CREAT, and the same in directories that are not sticky. The owner is that of the file
 * that was seen.
 */
export function refusePlanted(seen: number, path: string, real: string): void {
  // The kernel's name need not be a path here: of a file that was passed in from another namespace, it is none.
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

/** The error for a link that leads nowhere, where a file should be made. */
export function danglingLink(path: string): PmemError {
  return posixError(
    'ELOOP',
    `'${path}' is a symbolic link to a file that does not exist, and none is made through a link; name the file itself`,
    { path },
  );
}

/** Whether the path names anything, even a link that leads nowhere. */
export function isTaken(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
