/** Where in the user's source a store, a flush or a drain was called. */

import { findSourceMap } from 'node:module';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A line of source, and who called it. */
export interface CallSite {
  /** `file:line:column` of the call, relative to the working directory. */
  readonly place: string;
  /** The innermost functions that are not this library's, at most three: `append (lib/log.ts:12:5)`. */
  readonly frames: readonly string[];
}

/** The frames of `pmem/testing` are the instrument, not what is measured. */
const HERE = new URL('..', import.meta.url).href;
/** Frames to look at: some of them are ours. */
const DEPTH = 24;
const SHOWN = 3;
const NOWHERE: CallSite = { place: 'somewhere', frames: [] };

/** Frames of the call, innermost first, without making the text of a stack. */
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

/** The place as its author knows it: in TypeScript, when source maps are on (`--enable-source-maps`). */
function placeOf(file: string, line: number, column: number): string {
  const path = file.startsWith('file:') ? fileURLToPath(file) : file;
  const entry = findSourceMap(path)?.findEntry(line - 1, column - 1);
  if (entry !== undefined && 'originalSource' in entry) {
    return `${pathOf(entry.originalSource)}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  }
  return `${pathOf(file)}:${line}:${column}`;
}

/** One object for each place: mutants are told apart by it. */
export class CallSites {
  readonly #skipped: RegExp | undefined;
  readonly #known = new Map<string, CallSite>();

  /** @param skipped files to be passed over beside this library's own: a wrapper around memory is not what calls it */
  constructor(skipped?: RegExp) {
    this.#skipped = skipped;
  }

  /** The call under way. */
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
