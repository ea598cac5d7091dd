/** The mode of a DAX device: a device that is mapped, or ordinary memory. */

import { wrongValue } from '../../errors.js';
import { daxDeviceNamed } from '../../linux/dax/named.js';
import { autoOnline, blockSize, memoryBlocks } from '../../linux/memory-blocks.js';
import { booleanOption, ownOptions } from '../../options.js';
import { KERNEL, type Kernel } from '../drivers.js';
import { modeOf, type SwitchOptions, toDevdax, toSystemRam } from './mode-switch.js';

/** `devdax`: a character device, `/dev/dax0.0`. `system-ram`: ordinary memory of a NUMA node, without a file. */
export type DaxMode = 'devdax' | 'system-ram';

/** Options of {@link reconfigure}. */
export interface ReconfigureOptions {
  /** To `system-ram`: bring the memory online, so that it is used. Default true. */
  online?: boolean;
  /**
   * To `system-ram`: into the zone for what can be moved, so that the memory can be taken back. False lets the kernel keep its own
   * structures there, and most probably the memory, until a restart. Default true.
   */
  movable?: boolean;
  /**
   * To `system-ram`: even if the kernel's policy for new memory is another one. To `devdax`: take memory that is online offline
   * first. Nothing forces it while somebody has the device open or mapped. Default false.
   */
  force?: boolean;
  /** Needed to `system-ram`: all that the device holds is lost. */
  destroyData?: boolean;
}

/** What a device became. */
export interface Reconfigured {
  /** `dax0.0` */
  readonly device: string;
  readonly mode: DaxMode;
  /** It was in another mode, or had no driver. */
  readonly changed: boolean;
  /** What to open, in mode `devdax`. */
  readonly path: string | undefined;
  /** Bytes of the device. */
  readonly size: number | undefined;
  /** The NUMA node that the memory is of in mode `system-ram`. */
  readonly targetNode: number | undefined;
  /** The ordinary memory, in mode `system-ram`. */
  readonly memory: OnlineMemory | undefined;
  /** Blocks that were taken offline on the way. */
  readonly offlined: number;
}

/** The memory of a device in mode `system-ram`. The kernel takes it in whole aligned blocks, and leaves the rest unused. */
export interface OnlineMemory {
  /** Bytes of a block. */
  readonly blockSize: number;
  readonly blocks: number;
  readonly online: number;
  /** Bytes that are online. */
  readonly onlineBytes: number;
  /** Whether all that is online can be moved, and so be taken back; undefined when nothing is online. */
  readonly movable: boolean | undefined;
  /** What the kernel does with new memory by itself (`auto_online_blocks`). */
  readonly autoOnline: string | undefined;
}

const KNOWN: readonly (keyof ReconfigureOptions)[] = ['online', 'movable', 'force', 'destroyData'];

function checkOptions(given: ReconfigureOptions): SwitchOptions {
  const options = ownOptions(given, KNOWN);
  for (const [name, value] of Object.entries(options)) booleanOption(value, name);
  const { online = true, movable = true, force = false, destroyData = false } = options;
  return { online, movable, force, destroyData };
}

/** {@link reconfigure} by any kernel; tests have one of their own. */
export function reconfigureBy(
  kernel: Kernel,
  device: string,
  mode: DaxMode,
  options: ReconfigureOptions = {},
): Reconfigured {
  const checked = checkOptions(options);
  if (mode !== 'devdax' && mode !== 'system-ram') throw wrongValue('mode', "'devdax' or 'system-ram'", mode);
  const { host } = kernel;
  const dax = daxDeviceNamed(device, host);
  const changed = modeOf(dax.directory) !== mode;
  let offlined = 0;
  if (mode === 'system-ram') toSystemRam(dax, checked, kernel);
  else offlined = toDevdax(dax, checked, kernel);
  const { name, size, targetNode } = dax;
  const path = mode === 'devdax' ? `/dev/${name}` : undefined;
  return {
    device: name,
    mode,
    changed,
    path,
    size,
    targetNode,
    memory: mode === 'devdax' ? undefined : memory(),
    offlined,
  };

  function memory(): OnlineMemory {
    const unit = blockSize(host) ?? 0;
    const blocks = memoryBlocks(dax, host);
    const used = blocks.filter((block) => block.online);
    return {
      blockSize: unit,
      blocks: blocks.length,
      online: used.length,
      onlineBytes: used.length * unit,
      movable: used.length === 0 ? undefined : used.every(({ zone }) => zone === 'Movable'),
      autoOnline: autoOnline(host),
    };
  }
}

/**
 * Gives a DAX device to the kernel as ordinary memory, or takes it back, as `daxctl reconfigure-device` does, through sysfs.
 * No other device changes its driver: where the kernel could bind another one along with this one, because that has no driver,
 * it is refused. Needs root.
 *
 * To `system-ram` loses all that the device holds, and wants `destroyData: true`; the memory becomes the NUMA node
 * `targetNode`, on which `NodeMemory` and `VolatileArena` find it. To `devdax` is refused while memory is online, unless
 * `force` says to take it offline; what the kernel cannot move away stops it.
 *
 * When a step fails, the message says which mode the device is in, and how much of its memory is online. Where a driver does not
 * take it, or a block cannot be taken offline, it is given back to the driver that it had, and its memory brought online again, as
 * far as the kernel allows. Where a block cannot be brought online nothing is undone: the device is in mode `system-ram`, with what
 * came online before, and the same call goes on from there. Once it was given to `kmem`, what it held is lost in any case.
 *
 * @param device `dax0.0`, `/dev/dax0.0`, or another path of that character device
 * @throws PmemError `ENODEV` when there is no such device; `ERR_PMEM_NOT_CONFIRMED`; `ERR_PMEM_NO_DRIVER` when the module cannot
 *   be loaded; `EBUSY` when the device is open or mapped, in this process or another, its memory is in use, or another
 *   device would be taken along; `EACCES` without the rights; else the kernel's own code.
 */
export function reconfigure(device: string, mode: DaxMode, options: ReconfigureOptions = {}): Reconfigured {
  return reconfigureBy(KERNEL, device, mode, options);
}
