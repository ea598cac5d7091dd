/**
 * What earlier runs on images of one crash point depended on, to tell that another image must come to the same end.
 *
 * Recovery and check are a function of the bytes they read. Which line they read first is the same for all images of the
 * point; which second depends on what the first one held; and so on. So runs form a tree: a node is the line read next, its
 * branches are what the line held. An image that can be followed along the branches to the end of a run that passed would
 * be read in the same order with the same results, and passes too, whatever its other lines hold.
 *
 * This is sound if recovery and check depend on nothing but the memory and the crash they are given: no clock, no
 * randomness, nothing kept from one call to the next. Where a run is seen to read other lines than one before it that
 * found the same bytes, that is not so, and `insert` says it.
 */

import type { Choices } from './images/choose.js';

interface Node {
  /** The line in flight that is read next, or -1 if no run went on from here. */
  line: number;
  /** A run ended here, and passed. */
  passed: boolean;
  readonly contents: number[];
  readonly branches: Node[];
}

function newNode(): Node {
  return { line: -1, passed: false, contents: [], branches: [] };
}

/** Memory for some tens of megabytes; what does not fit is run again, which takes time but misses nothing. */
const MOST_NODES = 500_000;

/** Gives a line's choice a number for its bytes: the same for choices that come to the same bytes. */
export type ContentOf = (line: number, choice: number) => number;

/** The runs on the images of one crash point that passed. */
export class ReadTree {
  readonly #root = newNode();
  readonly #contentOf: ContentOf;
  #nodes = 1;

  constructor(contentOf: ContentOf) {
    this.#contentOf = contentOf;
  }

  /** Whether a run on this image would read what an earlier run read that passed. */
  passes(choices: Choices): boolean {
    let node: Node | undefined = this.#root;
    while (node !== undefined && !node.passed) {
      if (node.line < 0) return false;
      const content = this.#contentOf(node.line, choices[node.line] as number);
      node = node.branches[node.contents.indexOf(content)];
    }
    return node !== undefined;
  }

  /** A run on this image read these lines, in order, and passed. False if it contradicts an earlier one. */
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
