/** Ends an operation at each of its calls of methods of the language, where a script could be ended just as well. */

/** What ends it. */
export class Ended extends Error {
  override readonly name = 'Ended';
}

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** The collections' methods that change something. */
const METHODS: readonly [object, string][] = [
  [Map.prototype, 'set'],
  [Map.prototype, 'delete'],
  [Set.prototype, 'add'],
  [Set.prototype, 'delete'],
  [Array.prototype, 'splice'],
  [Array.prototype, 'push'],
];

/** Runs it with the call number `at`, from 0, throwing instead. Returns whether there were so many. */
export function endAtCall(at: number, run: () => void): boolean {
  let calls = 0;
  const originals = METHODS.map(([prototype, name]) => Reflect.get(prototype, name) as Method);
  for (const [i, [prototype, name]] of METHODS.entries()) {
    const original = originals[i] as Method;
    Reflect.set(prototype, name, function (this: unknown, ...args: unknown[]) {
      if (calls++ === at) throw new Ended();
      return Reflect.apply(original, this, args);
    });
  }
  try {
    run();
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
  } finally {
    for (const [i, [prototype, name]] of METHODS.entries()) Reflect.set(prototype, name, originals[i]);
  }
  return calls > at;
}
