/** Finds the line of the user's source that calls a store, a flush or a drain. */

import { findSourceMap } from 'node:module';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A call, and its callers. */
export interface CallSite {
  /** `file:line:column` of the call, relative to the working directory. */
  readonly place: string;
  /** The innermost functions outside of this library, at most three: `append (lib/log.ts:12:5)`. */
  readonly frames: readonly string[];
}

/** Frames of `pmem/testing` itself are skipped. */
const HERE = new URL('..', import.meta.url).href;
/** Frames to look at, those of this library included. */
const DEPTH = 24;
const SHOWN = 3;
const NOWHERE: CallSite = { place: 'somewhere', frames: [] };

/** Frames of the call, innermost first. Does not make the text of a stack. */
function structuredStack(): NodeJS.CallSite[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  const holder: { stack?: NodeJS.CallSite[] } = {};
  try {
    Error.prepareStackTrace = (_, frames) => frames;
    Error.stackTraceLimit = DEPTH;
    Error.captureStackTrace(holder, structuredStack);
    return holder.stack ?? [];
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function pathOf(url: string): string {
  const path = url.startsWith('file:') ? fileURLToPath(url) : url;
  const near = relative(process.cwd(), path);
  return near.startsWith('..') ? path : near;
}

/** The place in the source as written: in TypeScript, with source maps on (`--enable-source-maps`). */
function placeOf(file: string, line: number, column: number): string {
  const path = file.startsWith('file:') ? fileURLToPath(file) : file;
  const entry = findSourceMap(path)?.findEntry(line - 1, column - 1);
  if (entry !== undefined && 'originalSource' in entry) {
    return `${pathOf(entry.originalSource)}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  }
  return `${pathOf(file)}:${line}:${column}`;
}

/** Call sites, one object for each place: mutants compare them. */
export class CallSites {
  readonly #skipped: RegExp | undefined;
  readonly #known = new Map<string, CallSite>();

  /** @param skipped files to skip beside this library's own: a wrapper around memory is not the caller */
  constructor(skipped?: RegExp) {
    this.#skipped = skipped;
  }

  /** The site of the current call. */
  here(): CallSite {
    const frames: { file: string; line: number; column: number; name: string | null }[] = [];
    let key = '';
    for (const frame of structuredStack()) {
      const file = frame.getFileName() ?? '';
      if (file === '' || file.startsWith(HERE) || file.startsWith('node:')) continue;
      const line = frame.getLineNumber() ?? 0;
      const column = frame.getColumnNumber() ?? 0;
      if (frames.length === 0 && this.#skipped !== undefined && this.#isSkipped(file, line, column)) continue;
      frames.push({ file, line, column, name: frame.getFunctionName() });
      key += `${file}:${line}:${column}\n`;
      if (frames.length === SHOWN) break;
    }
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const places = frames.map(({ file, line, column }) => placeOf(file, line, column));
    const [place] = places;
    const site =
      place === undefined
        ? NOWHERE
        : {
            place,
            frames: places.map((one, i) => {
              const name = frames[i]?.name;
              return name === null || name === undefined || name === '' ? one : `${name} (${one})`;
            }),
          };
    this.#known.set(key, site);
    return site;
  }

  #isSkipped(file: string, line: number, column: number): boolean {
    const skipped = this.#skipped as RegExp;
    // A global or sticky expression remembers where it was.
    skipped.lastIndex = 0;
    if (skipped.test(file)) return true;
    skipped.lastIndex = 0;
    return skipped.test(placeOf(file, line, column));
  }
}
