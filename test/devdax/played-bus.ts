/**
 * A dynamic DAX region of the kernel that is played in a directory: what writing to its attributes does, as drivers/dax/bus.c
 * does it. All it knows is in files, so that several processes can play on the same one.
 */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { PmemError } from 'pmem';
import type { Kernel } from '#dist/devdax/drivers.js';
import { FreeExtents, shrunk } from '#dist/devdax/region/allocations.js';
import { KernelRegion } from '#dist/devdax/region/kernel.js';
import { daxBusRegions } from '#dist/linux/dax/regions.js';

export const UNIT = 2 ** 21;
const START = 2 ** 32;

interface Piece {
  readonly offset: number;
  readonly length: number;
}

function refusal(code: string, path: string): PmemError {
  return new PmemError(code, `${code}: played refusal, write '${path}'`, { path, syscall: 'write' });
}

/** The region `hmem.0` with an empty `dax0.0`; or the one that is there already. */
export class PlayedBus implements Kernel {
  readonly host;
  readonly nodes: string;
  patience = 0;
  readonly #region: string;
  readonly #units: number;
  /** All that was written, such as `dax0.0/size=2097152`. */
  readonly log: string[] = [];
  /** Of what is in the log, once for each; it is refused with this code. */
  readonly refuse = new Map<string, string>();
  /** Called before a write does anything. */
  onWrite: (entry: string) => void = () => {};
  /** Called after a write did what it does. */
  onWritten: (entry: string) => void = () => {};

  constructor(root: string, units = 64) {
    this.host = { sys: join(root, 'sys'), proc: '/proc' };
    this.nodes = join(root, 'dev');
    this.#region = join(this.host.sys, 'devices', 'platform', 'hmem.0');
    this.#units = units;
    if (existsSync(this.#region)) return;
    for (const driver of ['device_dax', 'kmem']) {
      mkdirSync(this.#driver(driver), { recursive: true });
      for (const file of ['bind', 'unbind', 'new_id', 'remove_id']) writeFileSync(join(this.#driver(driver), file), '');
    }
    mkdirSync(join(this.host.sys, 'bus', 'dax', 'devices'), { recursive: true });
    mkdirSync(this.nodes, { recursive: true });
    mkdirSync(join(this.#region, 'dax_region'), { recursive: true });
    const attributes = { id: 0, size: units * UNIT, align: UNIT, create: '', delete: '', available_size: '' };
    for (const [name, value] of Object.entries(attributes)) this.#set('dax_region', name, value);
    this.addDevice();
  }

  /** As the library sees it. */
  region(kernel: Kernel = this): KernelRegion {
    const [found] = daxBusRegions(this.host);
    if (found === undefined) throw new Error('no region was played');
    return new KernelRegion(found, kernel);
  }

  /** Name, units, and `+` where it has its driver. */
  devices(): string[] {
    return this.#names().map((name) => `${name} ${this.#size(name) / UNIT}${this.#bound(name) ? ' +' : ''}`);
  }

  /** First unit and the one behind the last, of each piece. */
  pieces(name: string): [number, number][] {
    return this.#pieces(name).map(({ offset, length }) => [(offset - START) / UNIT, (offset + length - START) / UNIT]);
  }

  addDevice(): void {
    let number = 0;
    while (existsSync(join(this.#region, `dax0.${number}`))) number++;
    const name = `dax0.${number}`;
    mkdirSync(join(this.#region, name));
    const attributes = { size: 0, align: UNIT, numa_node: 0, target_node: 0, resource: `0x${START.toString(16)}` };
    for (const [file, value] of Object.entries({ ...attributes, mapping: '' })) this.#set(name, file, value);
    symlinkSync(join(this.#region, name), join(this.host.sys, 'bus', 'dax', 'devices', name));
    writeFileSync(join(this.nodes, name), '');
    this.#set('dax_region', 'create', name);
    this.#setAvailable();
  }

  load(module: string): void {
    throw new Error(`${module} is there`);
  }

  write(directory: string, name: string, value: string): void {
    const entry = `${basename(directory)}/${name}=${value}`;
    const path = join(directory, name);
    this.log.push(entry);
    const code = this.refuse.get(entry);
    this.onWrite(entry);
    this.refuse.delete(entry);
    if (code !== undefined) throw refusal(code, path);
    if (!existsSync(path)) throw refusal('ENOENT', path);
    if (name === 'create') this.addDevice();
    else if (name === 'delete') this.#delete(value, path);
    else if (name === 'size') this.#resize(basename(directory), Number(value), path);
    else if (name === 'mapping') this.#take(basename(directory), value, path);
    else this.#toDriver(basename(directory), name, value, path);
    this.onWritten(entry);
  }

  #toDriver(driver: string, file: string, name: string, path: string): void {
    const attach = (one: string) => {
      if (!this.#bound(one) && this.#size(one) > 0)
        symlinkSync(this.#driver(driver), join(this.#region, one, 'driver'));
    };
    if (file === 'remove_id') throw refusal('ENODEV', path);
    if (file === 'unbind') {
      if (!this.#bound(name)) throw refusal('ENODEV', path);
      rmSync(join(this.#region, name, 'driver'));
    }
    // device_dax takes whatever has a size.
    if (file === 'new_id') this.#names().forEach(attach);
    if (file === 'bind') {
      if (this.#bound(name)) throw refusal('ENODEV', path);
      if (this.#size(name) === 0) throw refusal('ENXIO', path);
      attach(name);
    }
  }

  #delete(name: string, path: string): void {
    if (name === 'dax0.0' || this.#bound(name) || this.#size(name) > 0) throw refusal('EBUSY', path);
    rmSync(join(this.host.sys, 'bus', 'dax', 'devices', name));
    rmSync(join(this.nodes, name));
    rmSync(join(this.#region, name), { recursive: true });
  }

  #resize(name: string, size: number, path: string): void {
    if (this.#bound(name)) throw refusal('EBUSY', path);
    const held = this.#pieces(name);
    const present = this.#size(name);
    const pieces = size <= present ? shrunk(held, size) : this.#free().grown(held, size - present);
    if (pieces === undefined) throw refusal('ENOSPC', path);
    this.#setPieces(name, pieces);
  }

  #take(name: string, value: string, path: string): void {
    if (this.#bound(name)) throw refusal('EBUSY', path);
    const [first = 0, last = 0] = value.split('-').map((hex) => Number.parseInt(hex, 16));
    const piece = { offset: first, length: last + 1 - first };
    if (!this.#free().has([piece])) throw refusal('ENOMEM', path);
    this.#setPieces(name, [...this.#pieces(name), piece]);
  }

  #setPieces(name: string, pieces: readonly Piece[]): void {
    const directory = join(this.#region, name);
    for (const file of readdirSync(directory)) {
      if (/^mapping\d/.test(file)) rmSync(join(directory, file), { recursive: true });
    }
    let size = 0;
    for (const [i, { offset, length }] of pieces.entries()) {
      mkdirSync(join(directory, `mapping${i}`));
      this.#set(`${name}/mapping${i}`, 'start', `0x${offset.toString(16)}`);
      this.#set(`${name}/mapping${i}`, 'end', `0x${(offset + length - 1).toString(16)}`);
      this.#set(`${name}/mapping${i}`, 'page_offset', `0x${(size / 4096).toString(16)}`);
      size += length;
    }
    this.#set(name, 'size', size);
    this.#setAvailable();
  }

  #pieces(name: string): Piece[] {
    const directory = join(this.#region, name);
    const number = (i: number, file: string) => Number(readFileSync(join(directory, `mapping${i}`, file), 'utf8'));
    const count = readdirSync(directory).filter((file) => /^mapping\d/.test(file)).length;
    return Array.from({ length: count }, (_, i) => ({
      offset: number(i, 'start'),
      length: number(i, 'end') + 1 - number(i, 'start'),
    }));
  }

  #free(): FreeExtents {
    const free = new FreeExtents(START, this.#units * UNIT);
    for (const name of this.#names()) free.replace([], this.#pieces(name));
    return free;
  }

  #setAvailable(): void {
    this.#set('dax_region', 'available_size', this.#free().available);
  }

  #names(): string[] {
    return readdirSync(this.#region).filter((name) => name.startsWith('dax0.'));
  }

  #size(name: string): number {
    return Number(readFileSync(join(this.#region, name, 'size'), 'utf8'));
  }

  #bound(name: string): boolean {
    const link = join(this.#region, name, 'driver');
    return existsSync(link) && basename(readlinkSync(link)) !== '' && realpathSync(link) !== '';
  }

  #driver(name: string): string {
    return join(this.host.sys, 'bus', 'dax', 'drivers', name);
  }

  /**
   * In one step, as sysfs does: another process that reads it meanwhile finds the old value or the new one. But for `create`, which is
   * the file that is locked: it is read and written under its lock only.
   */
  #set(directory: string, name: string, value: string | number): void {
    const path = join(this.#region, directory, name);
    if (name === 'create') {
      writeFileSync(path, `${value}\n`);
      return;
    }
    const fresh = join(this.nodes, `.${process.pid}`);
    writeFileSync(fresh, `${value}\n`);
    renameSync(fresh, path);
  }
}
