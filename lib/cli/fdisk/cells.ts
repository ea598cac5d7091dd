/** Text as a terminal shows it: what takes no place is written in hexadecimal, and some characters take two. */

import { inHex } from '../../printable.js';

/** Whether the user's locale has characters of several bytes, as setlocale(3) finds out. */
export function hasWideCharacters(env: NodeJS.ProcessEnv = process.env): boolean {
  const name = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find((one) => one !== undefined && one !== '') ?? '';
  return /utf-?8/i.test(name);
}

/** What libsmartcols makes of a cell (mbs_safe_encode_to_buffer, lib/mbsalign.c, util-linux). */
export function printableCell(text: string, isWide = hasWideCharacters()): string {
  const others = isWide ? /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cn}\p{Co}\p{Cs}]|\\(?=x)/gu : /[^\x20-\x7e]|\\(?=x)/gu;
  return text.replace(others, inHex);
}

/** East Asian wide and full-width characters, and pictures (Unicode, annex 11). */
const TWO =
  /[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const NONE = /[\p{Mn}\p{Me}]/u;

/** Columns that it takes. */
export function widthOf(text: string): number {
  let width = 0;
  for (const one of text) width += NONE.test(one) ? 0 : TWO.test(one) ? 2 : 1;
  return width;
}
