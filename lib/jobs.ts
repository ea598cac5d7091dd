/** Asynchronous work that is under way on an object, so that the end of the object can wait for it. */

/** The jobs of one object. */
export class Jobs {
  readonly #running = new Set<Promise<unknown>>();

  /** The job counts as under way until it settles; the caller gets it as it is. */
  track<Result>(job: Promise<Result>): Promise<Result> {
    const forget = (): void => void this.#running.delete(settled);
    const settled = job.then(forget, forget);
    // One step, and the last: JavaScript can end before it, and a job that nobody forgets would be waited for for ever.
    this.#running.add(settled);
    return job;
  }

  /** Runs `end` as soon as no job is under way, those that begin meanwhile included. None can begin in between. */
  async whenIdle(end: () => void): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
    end();
  }
}
