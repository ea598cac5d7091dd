/** Runs functions in worker threads. */

import { type Transferable, Worker } from 'node:worker_threads';

/** Starts a function that refers to nothing outside of it. Its argument is `workerData`; its result is posted. */
export function startWorker<A, R>(
  run: (argument: A) => R | Promise<R>,
  argument: A,
  transferList: Transferable[] = [],
): Worker {
  const source = `const { parentPort, workerData } = require('node:worker_threads');
(async () => parentPort.postMessage({ returned: await (${String(run)})(workerData) }))();`;
  return new Worker(source, { eval: true, workerData: argument, transferList });
}

/** The result of the function, after the end of the worker. */
export function inWorker<A, R>(run: (argument: A) => R | Promise<R>, argument: A): Promise<R> {
  return new Promise((resolve, reject) => {
    const worker = startWorker(run, argument);
    let value: { returned: R } | undefined;
    worker.on('message', (message: { returned: R }) => {
      if (typeof message === 'object' && message !== null && 'returned' in message) value = message;
    });
    worker.on('error', reject);
    worker.on('exit', (code) => {
      if (value !== undefined && code === 0) resolve(value.returned);
      else reject(new Error(`the worker ended with code ${code}`));
    });
  });
}

/** The worker's next message. Rejects if it ends before. */
export function messageOf<T>(worker: Worker): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (code: number): void => reject(new Error(`the worker ended with code ${code}`));
    worker.once('error', reject);
    worker.once('exit', ended);
    worker.once('message', (message: T) => {
      worker.off('error', reject);
      worker.off('exit', ended);
      resolve(message);
    });
  });
}

/** The worker's exit code. */
export function exitOf(worker: Worker): Promise<number> {
  return new Promise((resolve) => {
    worker.once('exit', resolve);
  });
}

/** Resolves when another thread has changed the first number and called `Atomics.notify`. */
export function changed(numbers: Int32Array, seen: number): Promise<unknown> | string {
  type Waiting = { waitAsync(array: Int32Array, index: number, value: number): { value: Promise<unknown> | string } };
  return (Atomics as unknown as Waiting).waitAsync(numbers, 0, seen).value;
}
