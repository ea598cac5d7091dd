/**
 * Text that may come from elsewhere, made fit for terminals and logs. Paths, mount points, labels on media and other processes' names
 * can hold what moves a terminal's cursor, sets its title, hides or reverses what follows, or begins a line that looks like ours.
 */

/** Controls (C0, DEL, C1), what formats text without being seen (bidi among it), other ends of lines, and half characters. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Each byte of its UTF-8 as `\x1b`. */
export function inHex(text: string): string {
  return [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
}

/** On one line, with what cannot be seen in hexadecimal: `\x1b[2J`. Done again, it changes nothing more. */
export function printable(text: string): string {
  return text.replace(HIDDEN, inHex);
}

function escaped(text: string): string {
  // By code units, as JSON has it.
  return text.replace(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** JSON of the same meaning without the characters that {@link printable} does not let through, but for the ends of its lines. */
export function printableJson(json: string): string {
  return json.replace(HIDDEN, (one) => (one === '\n' ? one : escaped(one)));
}
