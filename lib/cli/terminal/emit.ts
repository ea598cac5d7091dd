/** The only file of the command that writes to a stream: it makes printable whatever is not the command's own control of the terminal. */

import { randomUUID } from 'node:crypto';
import { printable } from '../../printable.js';

/** What text is written to: a stream, or a test's stand-in. */
export interface Sink {
  write(text: string): unknown;
}

/** No foreign text holds this mark: each process makes a new one, and no path, name or argument has a null byte. */
const NONCE = `\0${randomUUID()}`;
const OURS = new RegExp(`${NONCE}([^\\0]*)\\0`);

/** Marks a control sequence, so that {@link emit} writes it unchanged. */
export function control(sequence: string): string {
  return `${NONCE}${sequence}\0`;
}

/** The end of a line within a text. */
export const BREAK = control('\n');

/** The text as {@link emit} writes it. */
export function rendered(text: string): string {
  // Every second part stood between our marks.
  return text
    .split(OURS)
    .map((part, i) => (i % 2 === 0 ? printable(part) : part))
    .join('');
}

/** Writes a text. Control characters outside of {@link control} are written in hexadecimal. */
export function emit(stream: Sink, text: string): void {
  stream.write(rendered(text));
}

/** Writes a text that is printable already, line ends included. */
export function emitRaw(stream: Sink, text: string): void {
  stream.write(text);
}
