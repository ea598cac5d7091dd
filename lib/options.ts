/**
 * Reading what a caller passes as options: own properties only, each once, before anything else is done. What is inherited is no
 * option: else whoever can set a property of `Object.prototype`, as parsers of hostile input have let people, would decide for every
 * call of the process whether it locks, forces, or believes memory to be persistent.
 */

import { wrongType, wrongValue } from './errors.js';

/** `Object.prototype`, of whatever realm: everything inherits from it, and nobody passes it on purpose. */
function isRoot(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'hasOwnProperty');
}

/** Options that somebody did mean, and that would be left out in silence: of a class, or of `Object.create(defaults)`. */
function refuseInherited(given: object, name: string, what: string): void {
  for (let at: object | null = given; at !== null && !isRoot(at); at = Object.getPrototypeOf(at)) {
    if (Object.hasOwn(at, name)) {
      throw wrongValue(what, `an object with properties of its own, such as { ${name}: … }`, `an inherited ${name}`);
    }
  }
}

/**
 * The named options, as own properties of an object that inherits nothing; other properties are left out. Getters run here, and
 * never again.
 *
 * @throws TypeError for what is no object, and for a named option that is inherited from anything but `Object.prototype`
 */
export function readOptions<T extends object>(given: T, names: readonly string[], what = 'options'): T {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw wrongType(what, 'an object', given);
  const own: Record<string, unknown> = Object.create(null);
  for (const name of names) {
    if (Object.hasOwn(given, name)) own[name] = given[name as keyof T];
    else if (name in given) refuseInherited(given, name, what);
  }
  return own as T;
}

/**
 * {@link readOptions}, which refuses what is not named: a misspelt option would be left out in silence.
 *
 * @throws TypeError for a property that is none of the names, too
 */
export function ownOptions<T extends object>(given: T, names: readonly string[], what = 'options'): T {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw wrongType(what, 'an object', given);
  for (const name of Object.keys(given)) {
    if (!names.includes(name)) throw wrongValue(what, `made of ${names.join(', ')}`, name);
  }
  return readOptions(given, names, what);
}

/** An own property of an object that is made for one call, such as a range; undefined where it has none of its own. */
export function own<T extends object, Name extends keyof T>(given: T, name: Name): T[Name] | undefined {
  return Object.hasOwn(given, name) ? given[name] : undefined;
}
