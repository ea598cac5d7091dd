/** Cells of the table as util-linux prints them. */

import { inHex } from '../../printable.js';

/** Whether the user's locale has multibyte characters, as setlocale(3) decides. */
export function hasWideCharacters(env: NodeJS.ProcessEnv = process.env): boolean {
  const name = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find((one) => one !== undefined && one !== '') ?? '';
  return /utf-?8/i.test(name);
}

/** A cell as libsmartcols escapes it (mbs_safe_encode_to_buffer, lib/mbsalign.c, util-linux). */
export function printableCell(text: string, isWide = hasWideCharacters()): string {
  const others = isWide ? /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cn}\p{Co}\p{Cs}]|\\(?=x)/gu : /[^\x20-\x7e]|\\(?=x)/gu;
  return text.replace(others, inHex);
}
