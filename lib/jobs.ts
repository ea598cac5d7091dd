/** Asynchronous work that is under way on an object, so that the end of the object can wait for it. */

const nothing = (): void => {};

/** The jobs of one object. */
export class Jobs {
  readonly #running = new Set<Promise<unknown>>();

  /** The job counts as under way until it settles; the caller gets it as it is. */
  track<Result>(job: Promise<Result>): Promise<Result> {
    const settled = job.then(nothing, nothing);
    this.#running.add(settled);
    void settled.then(() => this.#running.delete(settled));
    return job;
  }

  /** Resolves when no job is under way, those that begin meanwhile included. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
