/**
 * Foreign text, made safe for terminals and logs. Paths, mount points, labels on media and names of processes can hold characters
 * that move the cursor, set the title, hide or reverse the text that follows, or begin a line that looks like ours.
 */

/** Controls (C0, DEL, C1), invisible format characters (bidi), Unicode line ends, and lone surrogates. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Each byte of the text's UTF-8 as `\x1b`. */
export function inHex(text: string): string {
  return [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
}

/** The text on one line, with hidden characters in hexadecimal: `\x1b[2J`. Idempotent. */
export function printable(text: string): string {
  return text.replace(HIDDEN, inHex);
}

function escaped(text: string): string {
  // JSON escapes UTF-16 code units.
  return text.replace(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** JSON with the same meaning, in which the characters that {@link printable} replaces are escaped, except line ends. */
export function printableJson(json: string): string {
  return json.replace(HIDDEN, (one) => (one === '\n' ? one : escaped(one)));
}
