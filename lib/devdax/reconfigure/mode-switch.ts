/**
 * Switches a DAX device between its modes, step by step, as daxctl does: what is checked first, what is undone when a step fails, and
 * which mode the device is in afterwards.
 */

import { PmemError, type PosixCode, posixError } from '../../errors.js';
import { type DaxBusDevice, daxDriver } from '../../linux/dax/devices.js';
import type { Host } from '../../linux/host.js';
import {
  autoOnline,
  blockSize,
  hasAddress,
  type MemoryBlock,
  memoryBlocks,
  wholeBlocks,
} from '../../linux/memory-blocks.js';
import { ndRegion } from '../../linux/nvdimm/regions.js';
import { formatSize } from '../../units.js';
import { useOf } from '../device-users.js';
import { bind, type Kernel, needDriver, takenAlong, unbind, whyNotNamed } from '../drivers.js';

/** How the mode is switched; checked options. */
export interface SwitchOptions {
  readonly online: boolean;
  readonly movable: boolean;
  readonly force: boolean;
  readonly destroyData: boolean;
}

/** The mode, as daxctl calls it; undefined for a device without a driver. */
export function modeOf(directory: string): 'devdax' | 'system-ram' | undefined {
  const driver = daxDriver(directory);
  return driver === undefined ? undefined : driver === 'kmem' ? 'system-ram' : 'devdax';
}

/** `memory40, memory41 and 6 more` */
function namesOf(blocks: readonly MemoryBlock[]): string {
  const names = blocks.slice(0, 8).map(({ name }) => name);
  return blocks.length > names.length
    ? `${names.join(', ')} and ${blocks.length - names.length} more`
    : names.join(', ');
}

/** Which mode the device is left in, for the end of a message. */
function leftIn({ name, directory }: DaxBusDevice): string {
  const mode = modeOf(directory);
  if (mode !== undefined) return `${name} is in mode ${mode}`;
  return `${name} has no driver now, and cannot be used until 'pmem dax reconfigure ${name} --mode devdax' succeeds`;
}

/** The error of a step, with the state of the device after it. */
function failed(error: unknown, step: string, outcome: string, device: DaxBusDevice): PmemError {
  const { code = 'ERR_PMEM_RECONFIGURE', message, errno, syscall, path } = error as PmemError;
  return new PmemError(code, `${message}. The step was ${step}; ${outcome}`, {
    errno,
    syscall,
    path: path ?? device.directory,
    cause: error,
  });
}

function refuse(code: PosixCode, message: string, { name }: DaxBusDevice): never {
  throw posixError(code, `${message}. Nothing was changed`, { path: `/dev/${name}` });
}

/** `force` does not allow this: a process that has the device gets SIGBUS, and Linux 6.1 panics once that process closes it. */
function refuseUsed(device: DaxBusDevice, host: Host): void {
  const use = useOf(`/dev/${device.name}`, host);
  if (use === undefined) return;
  refuse('EBUSY', `${device.name} ${use}, which would lose its memory. Close it there, in every thread`, device);
}

/** Whether the kernel's policy for new memory contradicts the options. */
function conflicts(policy: string | undefined, { online, movable }: SwitchOptions): boolean {
  if (policy === undefined || !policy.startsWith('online')) return false;
  // With the policy 'online' the kernel chooses a zone.
  return !online || (movable ? policy !== 'online_movable' : policy === 'online_movable');
}

/** Refuses all that is known to fail, or to be regretted, before the device is touched. */
function checkBefore(device: DaxBusDevice, options: SwitchOptions, { host }: Kernel): void {
  const { name, size, targetNode, directory } = device;
  if (targetNode === undefined) refuse('EINVAL', `${name} has no target node, so its memory cannot become one`, device);
  const unit = blockSize(host);
  if (unit === undefined)
    refuse('ENOTSUP', 'the kernel cannot add memory while it runs (CONFIG_MEMORY_HOTPLUG)', device);
  if (hasAddress(device) && wholeBlocks(device, unit) === 0) {
    refuse(
      'ENOSPC',
      `the kernel adds memory in aligned blocks of ${formatSize(unit)}, and ${name} has none of its ${formatSize(size)}`,
      device,
    );
  }
  const policy = autoOnline(host);
  if (!options.force && conflicts(policy, options)) {
    const wanted = options.online ? (options.movable ? 'movable' : 'not movable') : 'offline';
    refuse(
      'EBUSY',
      `the kernel brings new memory online by itself ('${policy}'), and ${wanted} is wanted. Write 'offline' to /sys/devices/system/memory/auto_online_blocks, or pass force: true (--force) to take it as it comes`,
      device,
    );
  }
  refuseUsed(device, host);
  // kmem can match specific-purpose memory and CXL memory without a name: only the kernel can tell.
  const others = ndRegion(directory) === undefined ? [] : takenAlong(host, directory, 'kmem');
  if (others.length > 0) refuse('EBUSY', whyNotNamed(name, 'kmem', others), device);
  if (!options.destroyData) {
    throw new PmemError(
      'ERR_PMEM_NOT_CONFIRMED',
      `${name}, ${formatSize(size)} of it, is going to be ordinary memory, and its contents are lost; pass destroyData: true (--yes) to do it`,
      { path: `/dev/${name}` },
    );
  }
}

/** Brings all blocks online. Throws for the first block that the kernel refuses. */
function online(device: DaxBusDevice, movable: boolean, kernel: Kernel): void {
  const state = movable ? 'online_movable' : 'online_kernel';
  for (const block of memoryBlocks(device, kernel.host)) {
    if (block.online) continue;
    try {
      kernel.write(block.directory, 'state', state);
    } catch (error) {
      const now = memoryBlocks(device, kernel.host);
      // udev or the kernel itself may have done it already.
      if (now.some(({ name, online: isOnline }) => name === block.name && isOnline)) continue;
      const outcome = `${leftIn(device)}${onlineOf(device, kernel)}. The same call goes on from there`;
      throw failed(error, `bringing ${block.name} online`, outcome, device);
    }
  }
}

/** Gives the device to the kernel as ordinary memory. */
export function toSystemRam(device: DaxBusDevice, options: SwitchOptions, kernel: Kernel): void {
  const { directory } = device;
  if (modeOf(directory) !== 'system-ram') {
    checkBefore(device, options, kernel);
    needDriver(kernel, 'kmem');
    const before = modeOf(directory);
    try {
      unbind(kernel, directory);
      bind(kernel, directory, 'kmem');
    } catch (error) {
      goBack(device, kernel, before);
      throw failed(error, 'giving it to kmem', leftIn(device), device);
    }
  }
  if (!options.online) return;
  online(device, options.movable, kernel);
  const blocks = memoryBlocks(device, kernel.host);
  if (blocks.length > 0 || !hasAddress(device)) return;
  throw posixError(
    'ENXIO',
    `the kernel took ${device.name}, and shows no memory of it on node ${device.targetNode}; ${leftIn(device)}`,
    { path: directory },
  );
}

/** Gives a device without a driver back to the driver that it had before. */
function goBack({ directory }: DaxBusDevice, kernel: Kernel, before: 'devdax' | 'system-ram' | undefined): void {
  if (before === undefined || modeOf(directory) !== undefined) return;
  try {
    bind(kernel, directory, before === 'devdax' ? 'device_dax' : 'kmem');
  } catch {
    // The error tells the state of the device.
  }
}

/** Brings blocks that were taken offline online again, in their zones, as far as the kernel allows. */
function bringBack(taken: readonly MemoryBlock[], kernel: Kernel): void {
  for (const { directory, zone } of [...taken].reverse()) {
    try {
      kernel.write(directory, 'state', zone === 'Movable' ? 'online_movable' : 'online_kernel');
    } catch {
      // The error counts the blocks that are online.
    }
  }
}

/** `, with 2 of 3 blocks online` */
function onlineOf(device: DaxBusDevice, { host }: Kernel): string {
  const now = memoryBlocks(device, host);
  return `, with ${now.filter(({ online }) => online).length} of ${now.length} blocks online`;
}

/** Takes the blocks offline, and returns them; when the kernel refuses one, those before it are brought online again. */
function offline(device: DaxBusDevice, blocks: readonly MemoryBlock[], kernel: Kernel): MemoryBlock[] {
  const taken: MemoryBlock[] = [];
  // Backwards: a zone shrinks best at its end.
  for (const block of [...blocks].reverse()) {
    try {
      kernel.write(block.directory, 'state', 'offline');
      taken.push(block);
    } catch (error) {
      if (memoryBlocks(device, kernel.host).some(({ name, online: isOnline }) => name === block.name && !isOnline))
        continue;
      bringBack(taken, kernel);
      const now = memoryBlocks(device, kernel.host);
      const fixed = now.filter(({ online: isOnline, zone }) => isOnline && zone !== 'Movable');
      const way =
        fixed.length > 0
          ? `${namesOf(fixed)} ${fixed.length === 1 ? 'is' : 'are'} not movable: only a restart takes them back for sure`
          : 'end what uses the memory, or give it room elsewhere, and try again';
      const outcome = `${leftIn(device)}${onlineOf(device, kernel)}; ${way}`;
      throw failed(error, `taking ${block.name} offline`, outcome, device);
    }
  }
  return taken;
}

/** Makes the memory a device again; returns how many blocks were taken offline. */
export function toDevdax(device: DaxBusDevice, { force }: SwitchOptions, kernel: Kernel): number {
  const { directory, name } = device;
  const before = modeOf(directory);
  if (before === 'devdax') return 0;
  // A descriptor can be older than the mode.
  refuseUsed(device, kernel.host);
  needDriver(kernel, 'device_dax');
  let taken: readonly MemoryBlock[] = [];
  if (before === 'system-ram') {
    // Without the addresses the device's blocks are unknown, and kmem loses memory that is in use when it is unbound.
    if (!hasAddress(device))
      refuse('EACCES', `the kernel tells only root where the memory of ${name} is; run this as root`, device);
    const used = memoryBlocks(device, kernel.host).filter((block) => block.online);
    if (used.length > 0 && !force) {
      refuse(
        'EBUSY',
        `of the memory of ${name}, ${used.length} blocks are online (${namesOf(used)}). Pass force: true (--force) to take them offline first; the kernel moves their contents`,
        device,
      );
    }
    taken = offline(device, used, kernel);
    // udev or the kernel may have brought it online again. The kernel would keep it until a restart.
    const again = memoryBlocks(device, kernel.host).filter((block) => block.online);
    if (again.length > 0) {
      const sentence = `${namesOf(again)} came online again; stop what brings memory online by itself (udev, auto_online_blocks). ${leftIn(device)}${onlineOf(device, kernel)}`;
      throw posixError('EBUSY', sentence, { path: directory });
    }
  }
  try {
    unbind(kernel, directory);
    bind(kernel, directory, 'device_dax');
  } catch (error) {
    goBack(device, kernel, before);
    const isMemory = modeOf(directory) === 'system-ram';
    if (isMemory) bringBack(taken, kernel);
    const outcome = `${leftIn(device)}${isMemory ? onlineOf(device, kernel) : ''}`;
    throw failed(error, 'giving it to device_dax', outcome, device);
  }
  return taken.length;
}
