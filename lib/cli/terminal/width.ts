/** How many columns a text takes on a terminal. */

/** East Asian wide and full-width characters, and pictographs (Unicode, annex 11). */
const TWO =
  /[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const NONE = /[\p{Mn}\p{Me}]/u;

/** Columns of a text without control characters. */
export function widthOf(text: string): number {
  let width = 0;
  for (const one of text) width += NONE.test(one) ? 0 : TWO.test(one) ? 2 : 1;
  return width;
}
