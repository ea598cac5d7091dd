/** Gives a device of the DAX bus to a driver, and takes it away: drivers/dax/bus.c. */

import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PmemError, posixError } from '../errors.js';
import { daxDevices, daxDriver } from '../linux/dax/devices.js';
import { HOST, type Host } from '../linux/host.js';
import { ndRegion } from '../linux/nvdimm/regions.js';
import { runSystemProgram } from '../linux/programs.js';
import { resolve } from '../linux/sysfs/read.js';
import { writeAttribute } from '../linux/sysfs/write.js';

/** The drivers of the bus. */
export type DaxDriver = 'device_dax' | 'kmem';

/** What reconfiguring devices needs of the kernel; tests play it. */
export interface Kernel {
  readonly host: Host;
  /** The directory of the devices' files. */
  readonly nodes: string;
  /** How long asynchronous calls wait for another program of this package that changes the same region, in ms. */
  readonly patience: number;
  /** Writes an attribute of sysfs. */
  write(directory: string, name: string, value: string): void;
  /** Loads a module. */
  load(module: string): void;
}

/** Loads a module with modprobe, which is looked for in these directories: by default the system's own. */
export function modprobe(module: string, directories?: readonly string[]): void {
  runSystemProgram('modprobe', [module], directories);
}

/** The kernel that this runs on. */
export const KERNEL: Kernel = {
  host: HOST,
  nodes: '/dev',
  patience: 10_000,
  write: writeAttribute,
  load: (module) => modprobe(module),
};

function driverDirectory({ sys }: Host, driver: DaxDriver): string {
  return join(sys, 'bus', 'dax', 'drivers', driver);
}

/**
 * Makes sure that the driver is loaded.
 *
 * @throws PmemError `ERR_PMEM_NO_DRIVER` when its module cannot be loaded.
 */
export function needDriver(kernel: Kernel, driver: DaxDriver): void {
  const directory = driverDirectory(kernel.host, driver);
  if (existsSync(directory)) return;
  let said = 'modprobe succeeded, but the driver is missing';
  let cause: unknown;
  try {
    kernel.load(driver);
    if (existsSync(directory)) return;
  } catch (error) {
    cause = error;
    const { stderr, message } = error as { stderr?: string; message: string };
    said = (stderr ?? '').trim() || message;
  }
  const config = driver === 'kmem' ? 'CONFIG_DEV_DAX_KMEM' : 'CONFIG_DEV_DAX';
  throw new PmemError(
    'ERR_PMEM_NO_DRIVER',
    `the kernel has no driver '${driver}', and 'modprobe ${driver}' did not load it (it needs root, and a kernel with ${config}): ${said}. Nothing was changed`,
    { cause },
  );
}

/** Runs it, and returns its error. */
function attempt(step: () => void): unknown {
  try {
    step();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Takes the device from its driver, which forgets the device's name. Throws if the driver keeps it. */
export function unbind(kernel: Kernel, directory: string): void {
  const name = basename(directory);
  const driver = resolve(join(directory, 'driver'));
  if (driver === undefined) return;
  // A driver that serves every device knows no names.
  const unnamed = attempt(() => kernel.write(driver, 'remove_id', name));
  if (unnamed !== undefined && basename(driver) !== 'device_dax') throw unnamed;
  kernel.write(driver, 'unbind', name);
  if (daxDriver(directory) !== undefined) {
    throw posixError('EBUSY', `${basename(driver)} keeps ${name}; the kernel's log may say why`, { path: directory });
  }
}

/**
 * Devices that the driver may take along when it is told the name of this one: the kernel then binds all that match and have no driver
 * (do_id_store in drivers/dax/bus.c). Before Linux 6.3 `device_dax` matches every device, and `kmem` those whose names it was told. Since
 * then `kmem` also matches specific-purpose memory and CXL memory, and `device_dax` all other. The kernel does not tell which names a
 * driver was told.
 */
export function takenAlong(host: Host, directory: string, driver: DaxDriver): string[] {
  const isNvdimm = (device: string) => ndRegion(device) !== undefined;
  return daxDevices(host)
    .filter((other) => other.directory !== directory && other.driver === undefined)
    .filter((other) => driver === 'kmem' || isNvdimm(directory) || isNvdimm(other.directory))
    .map(({ name }) => name);
}

/** Why a driver is not told the name of a device; the end of a message. */
export function whyNotNamed(name: string, driver: DaxDriver, others: readonly string[]): string {
  const [have, them] = others.length === 1 ? ['has', 'it'] : ['have', 'each of them'];
  return (
    `to give ${name} to ${driver} the kernel has to be told its name, and may then give it ${others.join(', ')} too, which ${have} no driver. ` +
    `Give ${them} one first: 'pmem dax reconfigure ${others[0]} --mode devdax'`
  );
}

/**
 * Gives a device without a driver to this one.
 *
 * @throws PmemError with the kernel's reason if the driver does not take it; `EBUSY` where it could take other devices along
 */
export function bind(kernel: Kernel, directory: string, driver: DaxDriver): void {
  const name = basename(directory);
  const home = driverDirectory(kernel.host, driver);
  let reason = attempt(() => kernel.write(home, 'bind', name));
  if (daxDriver(directory) === driver) return;
  // ENODEV: the driver does not know the name. Any other reason would hold for a device that it knows, too.
  if (reason === undefined || (reason as { code?: string }).code === 'ENODEV') {
    const others = takenAlong(kernel.host, directory, driver);
    if (others.length > 0) {
      throw posixError('EBUSY', whyNotNamed(name, driver, others), { path: directory });
    }
    const named = attempt(() => kernel.write(home, 'new_id', name));
    if (daxDriver(directory) === driver) return;
    // Only `bind` tells what went wrong.
    const bound = attempt(() => kernel.write(home, 'bind', name));
    if (daxDriver(directory) === driver) return;
    attempt(() => kernel.write(home, 'remove_id', name));
    reason = named ?? bound;
  }
  throw reason ?? posixError('ENODEV', `${driver} does not take ${name}; the kernel's log may say why`);
}
