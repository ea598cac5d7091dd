/** The one place where text leaves: what is not our own control of the terminal is made printable. */

import { randomUUID } from 'node:crypto';
import { printable } from '../printable.js';

/** Nobody else's text can hold it: it is made anew by each process, and no path, name or argument has a null byte. */
const NONCE = `\0${randomUUID()}`;
const OURS = new RegExp(`${NONCE}([^\\0]*)\\0`);

/** A sequence that {@link emit} lets through as it is. */
export function control(sequence: string): string {
  return `${NONCE}${sequence}\0`;
}

/** The end of a line within a text. */
export const BREAK = control('\n');

/** The text as {@link emit} writes it. */
export function rendered(text: string): string {
  // Every second part is what stood between our marks.
  return text
    .split(OURS)
    .map((part, i) => (i % 2 === 0 ? printable(part) : part))
    .join('');
}

/** Writes the text, whatever it is made of, without anything that only {@link control} may say. */
export function emit(stream: NodeJS.WriteStream, text: string): void {
  stream.write(rendered(text));
}

/** Writes text that was made printable before. */
export function emitRaw(stream: NodeJS.WriteStream, text: string): void {
  stream.write(text);
}
