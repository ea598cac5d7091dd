/** What holds the bytes of a file or device in the end, below file systems, partitions, device mapper, loop devices and the like. */

/**
 * What becomes of the media's bytes at power-off: `persistent` as far as the kernel and the platform tell, `volatile`, or `unknown`
 * where the media cannot be seen or nobody tells.
 */
export type Below = 'persistent' | 'volatile' | 'unknown';

/** The media of a file or device. */
export interface Media {
  readonly state: Below;
  /** Why `volatile` or `unknown`, a clause. */
  readonly why: string | undefined;
  /** The devices at the bottom, below /sys/devices. */
  readonly devices: readonly string[];
  /** Why an msync may leave bytes in a disk's cache, a clause. Stores that CPU flushes make durable do not pass that cache. */
  readonly withoutBarrier?: string | undefined;
}

export function persistentMedia(device: string): Media {
  return { state: 'persistent', why: undefined, devices: [device] };
}

export function volatileMedia(why: string, devices: readonly string[] = []): Media {
  return { state: 'volatile', why, devices };
}

export function unknownMedia(why: string, devices: readonly string[] = []): Media {
  return { state: 'unknown', why, devices };
}

/** Several media together: the state of the worst, because bytes may lie on any of them. */
export function worst(parts: readonly Media[]): Media {
  const found =
    parts.find(({ state }) => state === 'volatile') ?? parts.find(({ state }) => state === 'unknown') ?? parts[0];
  return {
    state: found?.state ?? 'unknown',
    why: found?.why,
    devices: parts.flatMap(({ devices }) => devices),
    withoutBarrier: parts.find(({ withoutBarrier }) => withoutBarrier !== undefined)?.withoutBarrier,
  };
}
