/** The device of the kernel that an operand names. */

import { DaxDevice } from '../../devdax/device/dax-device.js';
import type { DaxOpenOptions } from '../../devdax/options.js';
import type { DaxInstance } from '../../devdax/region/dax-instance.js';
import { DaxRegion } from '../../devdax/region/dax-region.js';
import { PmemError, posixError } from '../../errors.js';
import { daxNameOf } from '../../linux/dax/named.js';
import { HOST, type Host } from '../../linux/host.js';

/** `/dev/dax0.0` for `dax0.0`; other paths as they are. */
function devicePath(operand: string): string {
  return /^dax\d+\.\d+$/.test(operand) ? `/dev/${operand}` : operand;
}

/** The device, or what a file would be as one, read-only; with a message for users of the command where it does not exist. */
export function lookAtDevice(operand: string, options: DaxOpenOptions): DaxDevice {
  try {
    return DaxDevice.open(devicePath(operand), { readOnly: true, emulate: true, ...options });
  } catch (error) {
    if (!(error instanceof PmemError) || error.code !== 'ENOENT') throw error;
    throw posixError('ENOENT', `there is no '${operand}'; 'pmem dax list' shows the devices`, {
      path: operand,
      cause: error,
    });
  }
}

/** The instance of a region of the kernel, by name or path; undefined where there is none. */
export function findInstance(operand: string, host: Host = HOST): DaxInstance | undefined {
  const name = daxNameOf(operand, host);
  return DaxRegion.list({}, host)
    .flatMap(({ instances }) => instances)
    .find((instance) => instance.name === name);
}

/** {@link findInstance}, for an instance that must exist. */
export function instanceNamed(operand: string, host: Host = HOST): DaxInstance {
  const found = findInstance(operand, host);
  if (found !== undefined) return found;
  throw posixError(
    'ENODEV',
    `the kernel has no DAX device '${operand}' with any memory; 'pmem dax list' shows its devices`,
    { path: operand },
  );
}
