/**
 * What earlier runs on images of one crash point read. It tells whether another image must pass too.
 *
 * Recovery and check are a function of the bytes they read. The first line they read is the same for all images of the point; the second
 * depends on the first line's bytes; and so on. So runs form a tree: a node is the line read next, a branch is what the line held. Follow
 * an image along the branches. If that leads to the end of a run that passed, then a run on this image would read the same lines with
 * the same bytes, and would pass, whatever the other lines hold.
 *
 * This is sound if recovery and check depend on their arguments alone: no clock, no randomness, nothing kept between calls. If a run finds
 * the same bytes as an earlier one and then reads another line, `insert` returns false.
 */

import type { Choices } from './images/choose.js';

interface Node {
  /** The line in flight that runs read next; -1 if no run continued. */
  line: number;
  /** A run that passed ended here. */
  passed: boolean;
  readonly contents: number[];
  readonly branches: Node[];
}

function newNode(): Node {
  return { line: -1, passed: false, contents: [], branches: [] };
}

/** Some tens of megabytes. Images that do not fit run again: that takes time, but misses nothing. */
const MOST_NODES = 500_000;

/** A number for the bytes of a line's choice: the same for choices with the same bytes. */
export type ContentOf = (line: number, choice: number) => number;

/** The runs that passed, of one crash point. */
export class ReadTree {
  readonly #root = newNode();
  readonly #contentOf: ContentOf;
  #nodes = 1;

  constructor(contentOf: ContentOf) {
    this.#contentOf = contentOf;
  }

  /** Whether a run on this image would read what an earlier, passing run read. */
  passes(choices: Choices): boolean {
    let node: Node | undefined = this.#root;
    while (node !== undefined && !node.passed) {
      if (node.line < 0) return false;
      const content = this.#contentOf(node.line, choices[node.line] as number);
      node = node.branches[node.contents.indexOf(content)];
    }
    return node !== undefined;
  }

  /** Adds a run on this image that passed, with the lines that it read, in order. False if it contradicts an earlier run. */
  insert(choices: Choices, trace: readonly number[]): boolean {
    if (this.#nodes + trace.length > MOST_NODES) return true;
    let node = this.#root;
    for (const line of trace) {
      if (node.line < 0) node.line = line;
      else if (node.line !== line) return false;
      const content = this.#contentOf(line, choices[line] as number);
      let next = node.branches[node.contents.indexOf(content)];
      if (next === undefined) {
        next = newNode();
        node.contents.push(content);
        node.branches.push(next);
        this.#nodes++;
      }
      node = next;
    }
    node.passed = true;
    return true;
  }
}
