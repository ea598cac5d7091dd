/** A DAX device by the name that people give it. */

import { basename } from 'node:path';
import { PmemError, wrongType, wrongValue } from '../errors.js';
import { type DaxDevice, daxDevices } from './dax-devices.js';
import type { Host } from './host.js';
import { resolve } from './sysfs.js';

/**
 * The device called `dax0.0`, by that name or a path that ends in it. In mode `system-ram` there is no file behind the path.
 *
 * @throws TypeError for anything but such a name or path; PmemError `ENODEV` when sysfs knows no such device.
 */
export function daxDeviceNamed(device: string, host: Host, argument = 'device'): DaxDevice {
  if (typeof device !== 'string')
    throw wrongType(argument, "the name of a DAX device, such as 'dax0.0', or its path", device);
  const name = basename(device.includes('/') ? (resolve(device) ?? device) : device);
  if (!/^dax\d+\.\d+$/.test(name)) {
    throw wrongValue(argument, "the name of a DAX device, such as 'dax0.0', or its path", device);
  }
  const all = daxDevices(host);
  const found = all.find((one) => one.name === name);
  if (found !== undefined) return found;
  const others = all.length === 0 ? 'there is none' : `there are: ${all.map((one) => one.name).join(', ')}`;
  throw new PmemError('ENODEV', `ENODEV: sysfs knows no DAX device '${name}'; ${others}`, { path: device });
}
