/** Running a function in a worker thread. */

import { type Transferable, Worker } from 'node:worker_threads';

/** Starts the function, which must stand alone, with `workerData` as its argument; what it returns is posted. */
export function startWorker<A, R>(
  run: (argument: A) => R | Promise<R>,
  argument: A,
  transferList: Transferable[] = [],
): Worker {
  const source = `const { parentPort, workerData } = require('node:worker_threads');
(async () => parentPort.postMessage({ returned: await (${String(run)})(workerData) }))();`;
  return new Worker(source, { eval: true, workerData: argument, transferList });
}

/** What the function returned, once the worker has ended. */
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

/** The next message of the worker. */
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

/** Resolves with the exit code. */
export function exitOf(worker: Worker): Promise<number> {
  return new Promise((resolve) => {
    worker.once('exit', resolve);
  });
}

/** Resolves when the first number is another one, and whoever changed it has told so (`Atomics.notify`). */
export function changed(numbers: Int32Array, seen: number): Promise<unknown> | string {
  type Waiting = { waitAsync(array: Int32Array, index: number, value: number): { value: Promise<unknown> | string } };
  return (Atomics as unknown as Waiting).waitAsync(numbers, 0, seen).value;
}
