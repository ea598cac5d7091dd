/** Where the kernel tells about itself; tests point it at a copy of another machine's. */
export interface Host {
  readonly sys: string;
  readonly proc: string;
}

export const HOST: Host = { sys: '/sys', proc: '/proc' };
