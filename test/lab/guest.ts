/** A guest that runs: its console, its ports, and how it ended. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { FIRST, START } from './initramfs.js';
import { OUTPUT, type Plan, RESULTS, STATUS, type Status } from './plan.js';
import { qemuArguments } from './qemu.js';
import type { Toolbox } from './toolbox.js';

/** A guest that did not get as far as telling how its command ended. */
export class GuestFailure extends Error {
  override readonly name = 'GuestFailure';
}

/** How a guest is run. */
export interface GuestOptions {
  readonly tools: Toolbox;
  readonly plan: Plan;
  /** Its images, kept from one start to the next, and what is particular to this start. */
  readonly directory: string;
  /** Seconds until it counts as hanging. */
  readonly limit: number;
  /** Called with what the guest's command prints. */
  readonly onOutput?: (text: string) => void;
  /** The terminal is the guest's console. */
  readonly interactive?: boolean;
}

/** How it ended, when it was not killed. */
export interface GuestEnd {
  readonly status: Status;
  /** What came through the port `results`. */
  readonly results: string;
}

const PORTS = [OUTPUT, STATUS, RESULTS] as const;
/** Behind standard input, output and errors. */
const FIRST_PORT = 3;
const TAIL_LINES = 40;
const INSIDE = join(dirname(fileURLToPath(import.meta.url)), 'inside', 'init.js');

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Console output as a person would want to read it. */
function readable(console: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal control sequences are what is removed
  const plain = console.replace(/\x1b(\[[0-9;?]*[A-Za-z]|c)/g, '').replaceAll('\r', '');
  return plain.trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
}

/** A started guest. */
export class Guest {
  readonly #child: ChildProcess;
  #console = '';
  #killed = false;
  /**
   * How it ended.
   *
   * @throws GuestFailure when QEMU ended, or was killed, or the time was over, before the guest had said so; with the tail
   *   of the console
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
    this.#child = spawn(qemu.command, [...qemu.args, ...args], {
      env: qemu.env,
      stdio: [interactive ? 'inherit' : 'ignore', terminal, terminal, ...PORTS.map(() => 'pipe' as const)],
    });
    this.ended = this.#follow(options);
    // Whoever awaits it is told; a guest that nobody awaits must not end the process.
    this.ended.catch(() => {});
  }

  /** Ends QEMU at once, as if the power button were pulled off the process: nothing in the guest is told. */
  kill(): void {
    this.#killed = true;
    this.#child.kill('SIGKILL');
  }

  #text(stream: Readable | null | undefined, add: (text: string) => void): void {
    stream?.setEncoding('utf8').on('data', add);
  }

  #follow({ limit, onOutput, interactive = false }: GuestOptions): Promise<GuestEnd> {
    const child = this.#child;
    const [output, status, results] = PORTS.map((_, i) => child.stdio[FIRST_PORT + i] as Readable);
    let answer = '';
    let counts = '';
    this.#text(child.stdout, (text) => {
      this.#console += text;
    });
    this.#text(child.stderr, (text) => {
      this.#console += text;
    });
    this.#text(output, (text) => onOutput?.(text));
    this.#text(results, (text) => {
      counts += text;
    });
    let late = false;
    const timer = interactive
      ? undefined
      : setTimeout(() => {
          late = true;
          child.kill('SIGKILL');
        }, limit * 1000);
    this.#text(status, (text) => {
      answer += text;
      if (answer.endsWith('\n')) child.kill('SIGKILL');
    });
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        clearTimeout(timer);
        if (answer.endsWith('\n')) {
          resolve({ status: JSON.parse(answer) as Status, results: counts });
          return;
        }
        const how = late
          ? `the guest did not answer within ${limit} s`
          : this.#killed
            ? 'the guest was killed'
            : `the guest ended without an answer (QEMU: ${signal ?? `status ${code}`})`;
        reject(new GuestFailure(`${how}; its console:\n${readable(this.#console)}`));
      });
    });
  }
}
