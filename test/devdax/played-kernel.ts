/** A kernel that is played in a directory: what writing to sysfs does to DAX devices, their drivers and the memory. */

import { existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PmemError } from 'pmem';
import type { Kernel } from '#dist/devdax/drivers.js';
import { Machine, nvdimms } from '../support/machine.js';

export const MIB = 2 ** 20;
export const BLOCK = 128 * MIB;
/** Of dax0.0: not aligned to blocks, so that 3 of them fit. */
export const START = 32 * BLOCK + 2 * MIB;
export const DEVICE_SIZE = 4 * BLOCK + 8 * MIB;
export const NODE = 1;

function refusal(code: string, path: string): PmemError {
  return new PmemError(code, `${code}: played refusal, write '${path}'`, { path, syscall: 'write' });
}

/** What goes wrong, once for each: `kmem/bind`, `memory34/state=offline`. */
export class PlayedKernel implements Kernel {
  readonly machine: Machine;
  readonly nodes = '/dev';
  readonly patience = 0;
  /** All that was written, such as `kmem/new_id=dax0.0`, and the modules that were loaded. */
  readonly log: string[] = [];
  /** Of what is in the log; it is refused with this code. */
  readonly refuse = new Map<string, string>();
  /** Names that each driver was told. */
  readonly #ids = new Map<string, Set<string>>();
  /** Called before each write that is not refused. */
  onWrite: (entry: string) => void = () => {};
  /** Drivers that decline a device without a word. */
  readonly declining = new Set<string>();
  autoOnline = 'offline';

  /** Since Linux 6.3 memory that firmware set apart, and CXL's, is kmem's without being named, and not device_dax's. */
  readonly #isKmems: boolean;

  constructor(root: string, { kmem = true, targetNode = NODE, size = DEVICE_SIZE, hmem = false } = {}) {
    this.machine = new Machine(root);
    this.#isKmems = hmem;
    const region = hmem ? 'platform/hmem.0' : nvdimms(this.machine);
    const attributes = { align: 2 * MIB, numa_node: 0, target_node: targetNode };
    this.machine.onBus('dax', `${region}/dax0.0`, '', { ...attributes, size, resource: `0x${START.toString(16)}` });
    this.machine.onBus('dax', `${region}/dax0.1`, '', { ...attributes, size: BLOCK, resource: '0x200000000' });
    this.addDriver('device_dax');
    if (kmem) this.addDriver('kmem');
    this.#bind('device_dax', 'dax0.0');
    this.#bind('device_dax', 'dax0.1');
    this.machine.device('system/memory', { block_size_bytes: BLOCK.toString(16), auto_online_blocks: 'offline' });
    // Memory of the node that is not the device's: before it, behind it, and in the blocks where it begins and ends.
    for (const number of [31, 32, 36, 40]) this.#addBlock(number, 'online', 'Normal');
  }

  get host() {
    return this.machine.host;
  }

  addDriver(name: string): void {
    const directory = this.#driver(name);
    mkdirSync(directory, { recursive: true });
    for (const file of ['bind', 'unbind', 'new_id', 'remove_id']) writeFileSync(join(directory, file), '');
    this.#ids.set(name, new Set());
  }

  /** `dax0.0: kmem` and so on. */
  drivers(): Record<string, string | undefined> {
    return Object.fromEntries(
      ['dax0.0', 'dax0.1'].map((name) => [name, [...this.#ids.keys()].find((driver) => this.#isBound(driver, name))]),
    );
  }

  /** Names that kmem would take if it saw them again. */
  ids(): string[] {
    return [...(this.#ids.get('kmem') ?? [])];
  }

  /** State and zone of each block by its number. */
  blocks(): Record<number, string> {
    const found = [31, 32, 33, 34, 35, 36, 40].filter((number) => existsSync(this.#block(number)));
    return Object.fromEntries(
      found.map((number) => [number, `${this.#read(number, 'state')} ${this.#read(number, 'valid_zones')}`]),
    );
  }

  setBlock(number: number, state: 'online' | 'offline', zone: string): void {
    writeFileSync(join(this.#block(number), 'state'), `${state}\n`);
    writeFileSync(join(this.#block(number), 'valid_zones'), `${zone}\n`);
  }

  load(module: string): void {
    this.log.push(`modprobe ${module}`);
    this.#refuseIfTold(`modprobe ${module}`, module);
    this.addDriver(module);
  }

  write(directory: string, name: string, value: string): void {
    const entry = `${basename(directory)}/${name}=${value}`;
    const path = join(directory, name);
    this.log.push(entry);
    if (!existsSync(path)) throw refusal('ENOENT', path);
    this.#refuseIfTold(entry, path);
    this.onWrite(entry);
    if (name === 'state') this.#setState(Number(basename(directory).slice('memory'.length)), value);
    else this.#toDriver(basename(directory), name, value, path);
  }

  #refuseIfTold(entry: string, path: string): void {
    const code = this.refuse.get(entry);
    if (code === undefined) return;
    this.refuse.delete(entry);
    throw refusal(code, path);
  }

  #toDriver(driver: string, file: string, device: string, path: string): void {
    const ids = this.#ids.get(driver);
    if (ids === undefined) throw refusal('ENOENT', path);
    const isFree = (name: string) => this.drivers()[name] === undefined;
    const matches = (name: string) => ids.has(name) || (driver === 'kmem') === this.#isKmems;
    if (file === 'remove_id') ids.delete(device);
    if (file === 'unbind') this.unbind(driver, device, path);
    if (file === 'new_id') {
      ids.add(device);
      // As driver_attach does: whatever matches and has none.
      for (const name of Object.keys(this.drivers())) if (isFree(name) && matches(name)) this.#bind(driver, name);
    }
    if (file === 'bind') {
      if (!isFree(device) || !matches(device)) throw refusal('ENODEV', path);
      this.#bind(driver, device);
    }
  }

  #bind(driver: string, device: string): void {
    if (this.declining.has(driver)) return;
    symlinkSync(this.#driver(driver), join(this.#device(device), 'driver'));
    if (driver !== 'kmem' || device !== 'dax0.0') return;
    for (const number of [33, 34, 35]) this.#addBlock(number, 'offline', 'Normal Movable');
    if (this.autoOnline !== 'offline') for (const number of [33, 34, 35]) this.#setState(number, this.autoOnline);
  }

  unbind(driver: string, device: string, path = ''): void {
    if (!this.#isBound(driver, device)) throw refusal('ENODEV', path);
    rmSync(join(this.#device(device), 'driver'));
    if (driver !== 'kmem' || device !== 'dax0.0') return;
    for (const number of [33, 34, 35]) {
      // What the real kernel does then lasts until a restart.
      if (this.#read(number, 'state') === 'online') throw new Error(`memory${number} was online when kmem was unbound`);
      rmSync(this.#block(number), { recursive: true });
      rmSync(join(this.#node(), `memory${number}`));
    }
  }

  #setState(number: number, value: string): void {
    if (value === 'offline') this.setBlock(number, 'offline', 'Normal Movable');
    else this.setBlock(number, 'online', value === 'online_movable' ? 'Movable' : 'Normal');
  }

  #addBlock(number: number, state: string, zone: string): void {
    this.machine.device(`system/memory/memory${number}`, { state, valid_zones: zone, phys_index: number.toString(16) });
    mkdirSync(this.#node(), { recursive: true });
    symlinkSync(this.#block(number), join(this.#node(), `memory${number}`));
  }

  #read(number: number, name: string): string {
    return readFileSync(join(this.#block(number), name), 'utf8').trim();
  }

  #isBound(driver: string, device: string): boolean {
    const link = join(this.#device(device), 'driver');
    return existsSync(link) && basename(readlinkSync(link)) === driver;
  }

  #driver(name: string): string {
    return join(this.host.sys, 'bus', 'dax', 'drivers', name);
  }

  #device(name: string): string {
    return join(this.host.sys, 'bus', 'dax', 'devices', name);
  }

  #block(number: number): string {
    return join(this.host.sys, 'devices', 'system', 'memory', `memory${number}`);
  }

  #node(): string {
    return join(this.host.sys, 'devices', 'system', 'node', `node${NODE}`);
  }
}
