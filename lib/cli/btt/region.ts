/** The memory that a BTT command works on. */

import { Region } from '../../memory/region/region.js';
import type { Arguments } from '../arguments.js';
import { withExisting } from '../existing.js';

/** Runs with the region of the path, and closes it. */
export async function withRegion<Result>(
  args: Arguments,
  readOnly: boolean,
  run: (region: Region) => Result | Promise<Result>,
): Promise<Result> {
  const assume = args.has('assume-persistent') ? { assumePersistent: true } : {};
  const options = readOnly ? { readOnly: true, shared: true } : assume;
  using region = withExisting(args.path, () => Region.open(args.path, options));
  return await run(region);
}
