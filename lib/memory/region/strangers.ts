/** What others may have put in place of what is meant, where they can: planted files, and planted links. */

import { fstatSync, lstatSync, readlinkSync, realpathSync, type Stats, statSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, isAbsolute } from 'node:path';
import { PmemError } from '../../errors.js';

const { EACCES, ELOOP } = constants.errno;
const STICKY = 0o1000;
const GROUP_OR_OTHERS_WRITE = 0o022;
const OTHERS_WRITE = 0o002;
/** As the kernel does (path_resolution(7)). */
const MOST_LINKS = 40;

/** Which links are followed: as the kernel does at most, or as whoever makes files does. */
export type Rule = 'open' | 'create';

function refused(path: string, sentence: string): PmemError {
  return new PmemError('EACCES', `EACCES: '${path}' ${sentence}`, { errno: EACCES, path });
}

/** The effective user: what is opened is opened as this one. */
function self(): number {
  return process.geteuid?.() ?? -1;
}

/** Nobody but this user, the directory's and root can put anything there. */
function isTrusted({ uid, mode }: Stats): boolean {
  return (uid === self() || uid === 0) && (mode & GROUP_OR_OTHERS_WRITE) === 0;
}

/**
 * One link. The kernel follows those in `/tmp` that are the user's or the directory's owner's, where fs.protected_symlinks is set
 * (Documentation/admin-guide/sysctl/fs.rst); here it does not matter whether it is. To make a file, a link is followed only where
 * nobody else can have put it, or could put another one in its place meanwhile.
 */
function mayFollow({ uid }: Stats, directory: Stats, rule: Rule): boolean {
  const isTheirs = uid !== self() && uid !== directory.uid;
  const isSticky = (directory.mode & STICKY) !== 0;
  if (rule === 'open') return !(isSticky && (directory.mode & OTHERS_WRITE) !== 0 && isTheirs);
  if (isTrusted(directory)) return true;
  return isSticky && !isTheirs && (directory.uid === self() || directory.uid === 0);
}

/**
 * Refuses links, from the one at the path on, that a stranger can have put there. Nobody else can put another one in the place of
 * one that is not refused.
 */
export function checkLinks(path: string, rule: Rule = 'open'): void {
  for (let at = path, links = 0; links <= MOST_LINKS; links++) {
    const link = lstatSync(at, { throwIfNoEntry: false });
    if (link?.isSymbolicLink() !== true) return;
    const place = dirname(at);
    if (!mayFollow(link, statSync(place), rule)) {
      const where = at === path ? 'is a symbolic link' : `leads to the symbolic link '${at}'`;
      throw refused(
        path,
        `${where} of user ${link.uid}, in a directory where others can make some; name the file itself`,
      );
    }
    const target = readlinkSync(at);
    at = isAbsolute(target) ? target : `${realpathSync(place)}/${target}`;
  }
}

/**
 * Refuses a file that somebody else can have put at the path for us to find and to fill: what fs.protected_regular=2 and
 * fs.protected_fifos=2 refuse to open with O_CREAT, and also in directories that are not sticky. Whose it is, is asked of the file
 * that was seen.
 */
export function refusePlanted(seen: number, path: string, real: string): void {
  // What the kernel calls it need not be a path here: of a file that was passed in from elsewhere, it is none.
  const [place, directory] = directoryOf(real) ?? directoryOf(path) ?? ['/', statSync('/')];
  const { uid } = fstatSync(seen);
  if (isTrusted(directory) || uid === self() || uid === directory.uid) return;
  throw refused(
    path,
    `was there before, and belongs to user ${uid}: in '${place}', where others can make files, one is taken only if it is ` +
      `of this user (${self()}) or the directory's (${directory.uid}). Choose another path; or open it without create: true`,
  );
}

function directoryOf(path: string): [string, Stats] | undefined {
  const place = dirname(path);
  const status = statSync(place, { throwIfNoEntry: false });
  return status === undefined ? undefined : [place, status];
}

/** A link that leads nowhere, where a file was to be made. */
export function danglingLink(path: string): PmemError {
  return new PmemError(
    'ELOOP',
    `ELOOP: '${path}' is a symbolic link to a file that does not exist, and none is made through a link; name the file itself`,
    { errno: ELOOP, path },
  );
}

/** Whether there is a name at the path, be it of a link that leads nowhere. */
export function isTaken(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
