/** A running guest: its console, its ports and its end. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { FIRST, START } from './initramfs.js';
import { OUTPUT, type Plan, RESULTS, STATUS, type Status } from './plan.js';
import { qemuArguments } from './qemu.js';
import type { Toolbox } from './toolbox.js';

/** The guest ended before it reported the end of its command. */
export class GuestFailure extends Error {
  override readonly name = 'GuestFailure';
}

/** How a guest is run. */
export interface GuestOptions {
  readonly tools: Toolbox;
  readonly plan: Plan;
  /** Its images, which stay from start to start, and the files of this start. */
  readonly directory: string;
  /** Seconds without a sign of life after which it counts as hanging. */
  readonly limit: number;
  /** Called with what the guest's command prints. */
  readonly onOutput?: (text: string) => void;
  /** The terminal is the guest's console. */
  readonly interactive?: boolean;
}

/** The end of a guest that was not killed. */
export interface GuestEnd {
  readonly status: Status;
  /** The output of the port `results`. */
  readonly results: string;
}

const PORTS = [OUTPUT, STATUS, RESULTS] as const;
/** The descriptor after standard input, output and error. */
const FIRST_PORT = 3;
const TAIL_LINES = 100;
/** Characters of output to keep for a failure. */
const MOST_KEPT = 10_000;
const INSIDE = join(dirname(fileURLToPath(import.meta.url)), 'inside', 'init.js');

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The last lines of the console, without control sequences. */
function tail(console: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal control sequences are what is removed
  const plain = console.replace(/\x1b(\[[0-9;?]*[A-Za-z]|c)/g, '').replaceAll('\r', '');
  return plain.trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
}

const running = new Set<Guest>();

/** Ends all guests of this process. */
export function killAll(): void {
  for (const guest of running) guest.kill();
}

/** A started guest. */
export class Guest {
  readonly #child: ChildProcess;
  #killed = false;
  /**
   * Fulfilled at the guest's end.
   *
   * @throws GuestFailure with the tail of the console, if QEMU ended, was killed or ran out of time before the guest's report
   */
  readonly ended: Promise<GuestEnd>;

  constructor(options: GuestOptions) {
    const { tools, plan, directory, interactive = false } = options;
    const folder = join(directory, 'start');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'plan.json'), JSON.stringify(plan));
    const command = [process.execPath, INSIDE, `${START}/plan.json`].map(shellQuoted).join(' ');
    writeFileSync(join(folder, FIRST), `exec ${command}\n`);
    const ports = Object.fromEntries(PORTS.map((name, i) => [name, FIRST_PORT + i]));
    const args = qemuArguments(tools, { machine: plan.machine, images: directory, folder, ports });
    const qemu = tools.qemu();
    const terminal = interactive ? 'inherit' : 'pipe';
    // QEMU ends with this process, however that ends.
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', qemu.command, ...qemu.args, ...args], {
      env: qemu.env,
      stdio: [interactive ? 'inherit' : 'ignore', terminal, terminal, ...PORTS.map(() => 'pipe' as const)],
    });
    running.add(this);
    this.ended = this.#follow(options).finally(() => running.delete(this));
    // A guest that nobody awaits must not end the process by an unhandled rejection.
    this.ended.catch(() => {});
  }

  /** Ends QEMU by SIGKILL. The guest gets no notice. */
  kill(): void {
    this.#killed = true;
    this.#child.kill('SIGKILL');
  }

  #follow({ limit, onOutput, interactive = false }: GuestOptions): Promise<GuestEnd> {
    const child = this.#child;
    const [output, status, results] = PORTS.map((_, i) => child.stdio[FIRST_PORT + i] as Readable);
    let console = '';
    let printed = '';
    let answer = '';
    let counts = '';
    let late = false;
    let timer: NodeJS.Timeout | undefined;
    const alive = () => {
      clearTimeout(timer);
      if (interactive) return;
      timer = setTimeout(() => {
        late = true;
        child.kill('SIGKILL');
      }, limit * 1000);
    };
    const follow = (stream: Readable | null | undefined, add: (text: string) => void) => {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        alive();
        add(text);
      });
    };
    alive();
    for (const stream of [child.stdout, child.stderr]) {
      follow(stream, (text) => {
        console += text;
      });
    }
    follow(output, (text) => {
      printed = (printed + text).slice(-MOST_KEPT);
      onOutput?.(text);
    });
    follow(results, (text) => {
      counts += text;
    });
    follow(status, (text) => {
      answer += text;
      if (answer.endsWith('\n')) child.kill('SIGKILL');
    });
    return new Promise((resolve, reject) => {
      child.once('error', (error) => {
        clearTimeout(timer);
        reject(new GuestFailure(`QEMU could not be started: ${error.message}`));
      });
      child.once('close', (code, signal) => {
        clearTimeout(timer);
        if (answer.endsWith('\n')) {
          resolve({ status: JSON.parse(answer) as Status, results: counts });
          return;
        }
        const how = late
          ? `the guest gave no sign of life for ${limit} s`
          : this.#killed
            ? 'the guest was killed'
            : `the guest ended without an answer (QEMU: ${signal ?? `status ${code}`})`;
        const last = printed === '' ? 'It had printed nothing.' : `Its last output:\n${tail(printed)}`;
        reject(new GuestFailure(`${how}; its console:\n${tail(console)}\n${last}`));
      });
    });
  }
}
