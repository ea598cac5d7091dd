/** Mount points of sysfs and proc. Tests pass directories in which they play another machine. */
export interface Host {
  readonly sys: string;
  readonly proc: string;
}

export const HOST: Host = { sys: '/sys', proc: '/proc' };
