/** A DAX device by the name that people give it. */

import { posixError, wrongType, wrongValue } from '../../errors.js';
import type { Host } from '../host.js';
import { statusAt } from '../look.js';
import { attribute, deviceNumber } from '../sysfs/read.js';
import { DAX_NAME, type DaxBusDevice, daxDevices, daxEntries } from './devices.js';

const WANTED = "the name of a DAX device, such as 'dax0.0', or the path of one";

/**
 * The device's name, given its name, its path below /dev (which need not exist in mode `system-ram`), or any other path of its
 * character device. Undefined for anything else: a copy of a device's contents may be called `/backup/dax0.0`.
 */
export function daxNameOf(device: string, host: Host): string | undefined {
  const plain = device.startsWith('/dev/') ? device.slice('/dev/'.length) : device;
  if (DAX_NAME.test(plain)) return plain;
  const status = statusAt(device);
  if (status?.isCharacterDevice() !== true) return undefined;
  const number = deviceNumber(status.rdev);
  return daxEntries(host).find(({ directory }) => attribute(directory, 'dev') === number)?.name;
}

/**
 * The device that {@link daxNameOf} names.
 *
 * @throws TypeError for anything but such a name or path; PmemError `ENODEV` when sysfs knows no such device.
 */
export function daxDeviceNamed(device: string, host: Host, argument = 'device'): DaxBusDevice {
  if (typeof device !== 'string') throw wrongType(argument, WANTED, device);
  const name = daxNameOf(device, host);
  if (name === undefined) throw wrongValue(argument, WANTED, device);
  const all = daxDevices(host);
  const found = all.find((one) => one.name === name);
  if (found !== undefined) return found;
  const others = all.length === 0 ? 'it knows none at all' : `there are: ${all.map((one) => one.name).join(', ')}`;
  throw posixError('ENODEV', `sysfs knows no DAX device '${name}'; ${others}`, { path: device });
}
