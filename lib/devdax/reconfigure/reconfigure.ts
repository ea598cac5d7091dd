/** The mode of a DAX device, for users: a device that is mapped, or ordinary memory. */

import { wrongType, wrongValue } from '../../errors.js';
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
   * To `system-ram`: into the zone for movable memory, so that the memory can be taken back. False lets the kernel keep its own structures
   * in the memory, which then most probably stays until a restart. Default true.
   */
  movable?: boolean;
  /**
   * To `system-ram`: even if the kernel's policy for new memory contradicts the options. To `devdax`: take online memory offline first.
   * A device that is open or mapped is refused all the same. Default false.
   */
  force?: boolean;
  /** Required to `system-ram`: the contents of the device are lost. Default false. */
  destroyData?: boolean;
}

/** The state of a device that was reconfigured. */
export interface Reconfigured {
  /** `dax0.0` */
  readonly device: string;
  readonly mode: DaxMode;
  /** It was in another mode before, or had no driver. */
  readonly changed: boolean;
  /** The path to open, in mode `devdax`. */
  readonly path: string | undefined;
  /** Bytes of the device. */
  readonly size: number | undefined;
  /** The NUMA node that the memory is of in mode `system-ram`. */
  readonly targetNode: number | undefined;
  /** The ordinary memory, in mode `system-ram`. */
  readonly memory: OnlineMemory | undefined;
  /** Blocks that were taken offline for it. */
  readonly offlined: number;
}

/** The memory of a device in mode `system-ram`. The kernel takes whole aligned blocks of it, and leaves the rest unused. */
export interface OnlineMemory {
  /** Bytes of a block. */
  readonly blockSize: number;
  readonly blocks: number;
  readonly online: number;
  /** Bytes that are online. */
  readonly onlineBytes: number;
  /** Whether all online memory is movable, so that it can be taken back; undefined when none is online. */
  readonly movable: boolean | undefined;
  /** What the kernel does with new memory by itself (`auto_online_blocks`). */
  readonly autoOnline: string | undefined;
}

const MODES = "'devdax' or 'system-ram'";

function checkOptions(given: ReconfigureOptions): SwitchOptions {
  const options = ownOptions(given, ['online', 'movable', 'force', 'destroyData']);
  return {
    online: booleanOption(options.online, 'online', true),
    movable: booleanOption(options.movable, 'movable', true),
    force: booleanOption(options.force, 'force', false),
    destroyData: booleanOption(options.destroyData, 'destroyData', false),
  };
}

/** {@link reconfigure} by a given kernel; tests play one. */
export function reconfigureBy(
  kernel: Kernel,
  device: string,
  mode: DaxMode,
  options: ReconfigureOptions = {},
): Reconfigured {
  const checked = checkOptions(options);
  if (typeof mode !== 'string') throw wrongType('mode', MODES, mode);
  if (mode !== 'devdax' && mode !== 'system-ram') throw wrongValue('mode', MODES, mode);
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
 * Gives a DAX device to the kernel as ordinary memory, or takes it back, as `daxctl reconfigure-device` does, through sysfs. No other
 * device changes its driver: where the kernel could bind a device without a driver along with this one, it is refused. Needs root.
 *
 * To `system-ram`, the contents of the device are lost, and `destroyData: true` is required. The memory becomes the NUMA node `targetNode`,
 * on which `NodeMemory` and `VolatileArena` find it. To `devdax`, it is refused while memory is online, unless `force` takes it offline;
 * memory that the kernel cannot move stops it.
 *
 * When a step fails, the message tells the mode of the device and how much of its memory is online. Where a driver does not take the
 * device, or a block cannot be taken offline, the device gets its former driver again, and its memory is brought online again, as far as
 * the kernel allows. Where a block cannot be brought online nothing is undone: the device is in mode `system-ram`, and the same call goes
 * on from there. Once the device was given to `kmem`, its contents are lost in any case.
 *
 * @param device `dax0.0`, `/dev/dax0.0`, or another path of that character device
 * @throws PmemError `ENODEV` when there is no such device; `ERR_PMEM_NOT_CONFIRMED` without `destroyData`; `ERR_PMEM_NO_DRIVER` when the
 *   module cannot be loaded; `EBUSY` when the device is open or mapped, in this process or another, its memory is in use, or another
 *   device would be taken along; `EACCES` without the rights; else the kernel's own code. TypeError for wrong arguments.
 */
export function reconfigure(device: string, mode: DaxMode, options: ReconfigureOptions = {}): Reconfigured {
  return reconfigureBy(KERNEL, device, mode, options);
}
