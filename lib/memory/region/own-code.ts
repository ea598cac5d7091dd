/** Whether a class still is what it was when it was loaded: users can change the prototypes of any class. */

/** A prototype as it was made. */
interface Made {
  readonly prototype: object;
  readonly parent: unknown;
  readonly members: Readonly<Record<PropertyKey, PropertyDescriptor>>;
  readonly count: number;
}

export function asMade(prototype: object): Made {
  const members = Object.getOwnPropertyDescriptors(prototype) as Record<PropertyKey, PropertyDescriptor>;
  return { prototype, parent: Object.getPrototypeOf(prototype), members, count: Reflect.ownKeys(prototype).length };
}

/** Whether nobody replaced, added or removed a member since, or the parent. Runs no code of users'. */
export function isAsMade({ prototype, parent, members, count }: Made): boolean {
  if (Object.getPrototypeOf(prototype) !== parent) return false;
  const names = Reflect.ownKeys(prototype);
  return (
    names.length === count &&
    names.every((name) => {
      const now = Object.getOwnPropertyDescriptor(prototype, name);
      const made = members[name];
      return now?.value === made?.value && now?.get === made?.get;
    })
  );
}
