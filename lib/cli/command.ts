/** What a command of `pmem` is made of. */

/** An option of a command, as node:util's parseArgs takes it, and for the help. */
export interface Option {
  readonly type: 'boolean' | 'string';
  readonly short?: string;
  /** Stands for the value in the help. */
  readonly value?: string;
  readonly help: string;
}

/** What the user wrote, checked against the command's options and operands. */
export interface Arguments {
  readonly operands: readonly string[];
  /** Options of type boolean that were given. */
  readonly flags: ReadonlySet<string>;
  /** Options of type string that were given. */
  readonly values: ReadonlyMap<string, string>;
}

/** One command. */
export interface Command {
  /** Of a command in a group: `dax list`. */
  readonly name: string;
  /**
   * The operands as the help shows them: `PATH`, `[PATH]`, `PATH...` (one or more), nothing, or what to do and where, which
   * the command checks itself.
   */
  readonly operands: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** Paragraphs. */
  readonly description: readonly string[];
  readonly options: Readonly<Record<string, Option>>;
  /** Of an option that was given more than once; elsewhere that is refused, for nobody knows which was meant. */
  readonly lastCounts?: boolean;
  /** Resolves with the exit code. */
  run(args: Arguments): number | Promise<number>;
}

/** Commands about one thing: `pmem dax list`. Their names are of both words. */
export interface CommandGroup {
  readonly name: string;
  readonly summary: string;
  /** Paragraphs. */
  readonly description: readonly string[];
  readonly commands: Commands<Command>;
}

/** Commands by the word that they are called by: each is loaded when it is needed, for most need little of the library. */
export type Commands<Kind> = Readonly<Record<string, () => Promise<Kind>>>;

/** The command line itself is wrong: exit code 2. */
export class UsageError extends Error {
  /** The command concerned, if it is known. */
  readonly command: string | undefined;

  constructor(message: string, command?: string) {
    super(message);
    this.command = command;
  }
}
