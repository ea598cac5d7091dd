/** What an open BTT says of itself. */

import type { Discovery } from './discover.js';
import type { ArenaLayout, BttVersion } from './layout.js';
import type { BttProblem } from './problems.js';

/** An arena. Its offsets are in bytes from its beginning. */
export interface BttArenaInfo extends ArenaLayout {
  /** Where it begins in the memory, in bytes. */
  readonly offset: number;
}

/** What the info blocks say. */
export interface BttInfo {
  readonly version: BttVersion;
  readonly uuid: string;
  /** UUID of the namespace, or all zero. */
  readonly parentUuid: string;
  /** Bytes of a sector. */
  readonly sectorSize: number;
  readonly sectorCount: number;
  /** Bytes of all sectors. */
  readonly size: number;
  readonly arenas: readonly BttArenaInfo[];
  /** The damage that opening found; `Btt.check` finds more. */
  readonly problems: readonly BttProblem[];
}

/** @internal At least one arena was found. */
export function describe({ version, arenas }: Discovery, problems: readonly BttProblem[]): BttInfo {
  const [first] = arenas;
  if (first === undefined) throw new RangeError('a BTT has at least one arena');
  const { uuid, parentUuid, sectorSize } = first.info;
  const sectorCount = arenas.reduce((sum, { info }) => sum + info.sectorCount, 0);
  const described = arenas.map(({ offset, info }): BttArenaInfo => {
    const { version, uuid, parentUuid, inErrorState, ...layout } = info;
    return { offset, ...layout };
  });
  return {
    version,
    uuid,
    parentUuid,
    sectorSize,
    sectorCount,
    size: sectorCount * sectorSize,
    arenas: described,
    problems,
  };
}
