/** The device of the kernel that an operand names. */

import { DaxDevice } from '../../devdax/device/dax-device.js';
import type { DaxOpenOptions } from '../../devdax/options.js';
import type { DaxInstance } from '../../devdax/region/dax-instance.js';
import { DaxRegion } from '../../devdax/region/dax-region.js';
import { PmemError } from '../../errors.js';
import { daxNameOf } from '../../linux/dax/named.js';
import { HOST, type Host } from '../../linux/host.js';

/** `/dev/dax0.0` for `dax0.0`; other paths as they are. */
function devicePath(operand: string): string {
  return /^dax\d+\.\d+$/.test(operand) ? `/dev/${operand}` : operand;
}

/** The device, or what a file would be as one, for looking at only; the error for a missing one speaks to users of the command. */
export function lookAtDevice(operand: string, options: DaxOpenOptions): DaxDevice {
  try {
    return DaxDevice.open(devicePath(operand), { readOnly: true, emulate: true, ...options });
  } catch (error) {
    if (!(error instanceof PmemError) || error.code !== 'ENOENT') throw error;
    const message = `ENOENT: there is no '${operand}'; 'pmem dax list' shows the devices`;
    throw new PmemError('ENOENT', message, { path: operand, cause: error });
  }
}

/** The instance of the kernel's region, by its name or the device's path; undefined where there is none. */
export function findInstance(operand: string, host: Host = HOST): DaxInstance | undefined {
  const name = daxNameOf(operand, host);
  return DaxRegion.list({}, host)
    .flatMap(({ instances }) => instances)
    .find((instance) => instance.name === name);
}

/** As {@link findInstance}, for what has to be there. */
export function instanceNamed(operand: string, host: Host = HOST): DaxInstance {
  const found = findInstance(operand, host);
  if (found !== undefined) return found;
  const message = `ENODEV: the kernel has no DAX device '${operand}' of any size; 'pmem dax list' shows those that it has`;
  throw new PmemError('ENODEV', message, { path: operand });
}
