/** Interleaved timing: the contenders take turns, so that other load of the machine affects all of them. */

/** Nanoseconds for one operation. */
export interface Figures {
  median_ns: number;
  p99_ns: number;
}

/** One row of a suite's result. */
export interface CaseResult {
  case: string;
  ours: Figures;
  peers: Record<string, Figures>;
  /** Ours divided by the peer's median: below 1 is faster. */
  ratio: Record<string, number>;
}

/** Does `count` operations from index `start` on. Returns the nanoseconds that they took together. */
export type Batch = (start: number, count: number) => number;

/** A case to measure. */
export interface Contest {
  case: string;
  /** Operations in one timed batch, which takes some 50 microseconds. */
  count: number;
  ours: Batch;
  peers: Record<string, Batch>;
}

/** The number of rounds and the sizes. */
export interface Effort {
  rounds: number;
  batches: number;
  /** Bytes of large things. Too few for meaningful figures in a quick run. */
  most: number;
}

export const FULL: Effort = { rounds: 15, batches: 40, most: 8 * 2 ** 30 };
export const QUICK: Effort = { rounds: 9, batches: 5, most: 2 ** 28 };

/** Times a loop written in JavaScript. */
export function timed(loop: (start: number, count: number) => void): Batch {
  return (start, count) => {
    const before = process.hrtime.bigint();
    loop(start, count);
    return Number(process.hrtime.bigint() - before);
  };
}

/** The quantile of the sorted values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function figures(rounds: readonly number[][]): Figures {
  const medians = rounds.map((round) => quantile(round, 0.5));
  return { median_ns: round(quantile(medians, 0.5)), p99_ns: round(quantile(rounds.flat(), 0.99)) };
}

function round(value: number): number {
  return Number(value.toPrecision(5));
}

/** Operations of each contender before the measurement. */
const WARM_UP = 20000;

/** The median over the rounds of each round's median, and the 99th percentile of all batches. */
export function measure(contest: Contest, effort: Effort, warmUp = WARM_UP): CaseResult {
  const contenders: [string, Batch][] = [['ours', contest.ours], ...Object.entries(contest.peers)];
  const samples = new Map(contenders.map(([name]) => [name, [] as number[][]]));
  let next = 0;
  const warming = Math.ceil(warmUp / contest.count);
  for (let i = 0; i < warming; i++) for (const [, batch] of contenders) batch(i * contest.count, contest.count);
  for (let round = 0; round < effort.rounds; round++) {
    for (const list of samples.values()) list.push([]);
    for (let i = 0; i < effort.batches; i++) {
      for (const [name, batch] of contenders) {
        samples.get(name)?.[round]?.push(batch(next, contest.count) / contest.count);
      }
      next += contest.count;
    }
    contenders.reverse();
  }
  const ours = figures(samples.get('ours') ?? []);
  const result: CaseResult = { case: contest.case, ours, peers: {}, ratio: {} };
  for (const name of Object.keys(contest.peers)) {
    const peer = figures(samples.get(name) ?? []);
    result.peers[name] = peer;
    result.ratio[name] = Number((ours.median_ns / peer.median_ns).toFixed(3));
  }
  return result;
}
