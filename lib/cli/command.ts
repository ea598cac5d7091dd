/** What a command of `pmem` is made of. */

import type { Arguments } from './arguments.js';

/** An option of a command, as node:util's parseArgs takes it, and as the help shows it. */
export interface Option {
  readonly type: 'boolean' | 'string';
  readonly short?: string;
  /** Stands for the value in the help. */
  readonly value?: string;
  readonly help: string;
}

export type Options = Readonly<Record<string, Option>>;

/** A command, loaded when it is asked for. */
export interface Command {
  /** Paragraphs of the help. */
  readonly description: readonly string[];
  readonly options: Options;
  /** Command lines for the help. */
  readonly examples?: readonly string[];
  /** What exit code 1 means beside a failure. */
  readonly alsoFails?: string;
  /** The last one of an option that is given several times counts. Elsewhere repeating an option is refused as ambiguous. */
  readonly lastCounts?: boolean;
  /** Returns the exit code. */
  run(args: Arguments): number | Promise<number>;
}

/** A command in the table of commands: all that the list of commands shows. Most commands need little of the library, so each is loaded alone. */
export interface CommandEntry {
  readonly name: string;
  /** Operands as the help shows them: nothing, `PATH`, `[PATH]`, or `PATH...` for one or more. */
  readonly operands: string;
  /** One line. */
  readonly summary: string;
  load(): Promise<Command>;
}

/** Commands about one thing: `pmem dax list`. */
export interface CommandGroup {
  readonly name: string;
  readonly summary: string;
  /** Paragraphs of the help. */
  readonly description: readonly string[];
  readonly commands: readonly CommandEntry[];
}

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {
  /** The command whose help to read: `dax list`. The dispatcher knows it. */
  command: string | undefined;

  constructor(message: string, command?: string) {
    super(message);
    this.command = command;
  }
}
