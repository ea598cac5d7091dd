/** A DAX device by the name that people give it. */

import { type BigIntStats, statSync } from 'node:fs';
import { join } from 'node:path';
import { PmemError, wrongType, wrongValue } from '../../errors.js';
import type { Host } from '../host.js';
import { children } from '../sysfs/nodes.js';
import { attribute, deviceNumber } from '../sysfs/read.js';
import { type DaxDevice, daxDevices } from './devices.js';

const NAME = /^dax\d+\.\d+$/;
const WANTED = "the name of a DAX device, such as 'dax0.0', or the path of one";

function statusOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return undefined;
  }
}

/**
 * `dax0.0` for that name, for `/dev/dax0.0` (in mode `system-ram` it may be missing), and for any other path of the character
 * device that sysfs calls so. Undefined for anything else: a copy of what a device held may be called `/backup/dax0.0`.
 */
export function daxNameOf(device: string, host: Host): string | undefined {
  const plain = device.startsWith('/dev/') ? device.slice('/dev/'.length) : device;
  if (NAME.test(plain)) return plain;
  const status = statusOf(device);
  if (status?.isCharacterDevice() !== true) return undefined;
  const number = deviceNumber(status.rdev);
  const all = children(join(host.sys, 'bus', 'dax', 'devices'), NAME);
  return all.find(({ directory }) => attribute(directory, 'dev') === number)?.name;
}

/**
 * The device that {@link daxNameOf} finds. In mode `system-ram` there need be no file behind the path.
 *
 * @throws TypeError for anything but such a name or path; PmemError `ENODEV` when sysfs knows no such device.
 */
export function daxDeviceNamed(device: string, host: Host, argument = 'device'): DaxDevice {
  if (typeof device !== 'string') throw wrongType(argument, WANTED, device);
  const name = daxNameOf(device, host);
  if (name === undefined) throw wrongValue(argument, WANTED, device);
  const all = daxDevices(host);
  const found = all.find((one) => one.name === name);
  if (found !== undefined) return found;
  const others = all.length === 0 ? 'there is none' : `there are: ${all.map((one) => one.name).join(', ')}`;
  throw new PmemError('ENODEV', `ENODEV: sysfs knows no DAX device '${name}'; ${others}`, { path: device });
}
