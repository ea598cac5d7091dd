/** An end of a copy that is mapped. */

import { closeSync } from 'node:fs';
import type { Backing } from '../../memory/backing.js';
import { contentsOf } from '../../memory/contents.js';
import type { WriteMode } from '../../memory/memory.js';
import { openOn } from '../../memory/region/open.js';
import { checkOptions } from '../../memory/region/options.js';
import { Region } from '../../memory/region/region.js';
import type { End } from './end.js';

/** Faults of pages from this size on are so few that they cost nothing. */
const LARGE_PAGE = 2 * 2 ** 20;

/** How a device is mapped. */
export interface MemoryAccess {
  readonly readOnly: boolean;
  readonly assumePersistent: boolean | undefined;
}

/** A device that is mapped; or a file, taken for one. */
export class MemoryEnd implements End {
  readonly kind = 'memory';
  readonly grows = false;
  readonly keepsBytes = false;
  readonly identity: string;
  readonly #fd: number;
  readonly #backing: Backing;
  readonly #access: MemoryAccess;
  #region: Region | undefined;
  /** Where the copy begins in the region. */
  #base = 0;

  /** It owns the descriptor from now on. */
  constructor(fd: number, backing: Backing, identity: string, access: MemoryAccess) {
    this.#fd = fd;
    this.#backing = backing;
    this.identity = identity;
    this.#access = access;
  }

  get size(): number | undefined {
    return this.#backing.size;
  }

  /** Maps the range, and what is before and after it up to the borders of pages. No bytes cannot be mapped, and need not be. */
  async begin(base: number, length: number): Promise<void> {
    if (length === 0) return;
    const { path, pageSize, size = Number.MAX_SAFE_INTEGER } = this.#backing;
    const { readOnly, assumePersistent } = this.#access;
    const from = base - (base % pageSize);
    const to = Math.min(Math.ceil((base + length) / pageSize) * pageSize, size);
    const assumed = assumePersistent === undefined ? {} : { assumePersistent };
    const options = checkOptions({ readOnly, offset: from, length: to - from, ...assumed });
    this.#region = Region.over(openOn(this.#fd, path, options));
    this.#base = base - from;
  }

  get #memory(): Region {
    if (this.#region === undefined) throw new Error('the end of the copy has not begun');
    return this.#region;
  }

  get #isDurable(): boolean {
    return this.#region?.durability.volatile !== true;
  }

  get #mode(): WriteMode {
    return this.#isDurable ? 'persist' : 'store';
  }

  /** Brings small pages in, which is much faster than to have each touch fault. */
  async #populate(offset: number, length: number): Promise<void> {
    if (this.#backing.pageSize < LARGE_PAGE) await this.#memory.populateAsync(this.#base + offset, length);
  }

  /** Nothing of PCI devices: to read their registers can change them. */
  contents(length: number): string | undefined {
    const memory = this.#region;
    if (memory === undefined || memory.kind === 'pci') return undefined;
    return contentsOf({ size: length, read: (offset, target) => memory.read(this.#base + offset, target) });
  }

  async window(offset: number, length: number): Promise<Buffer> {
    await this.#populate(offset, length);
    return this.#memory.view(this.#base + offset, length);
  }

  async read(offset: number, target: Buffer): Promise<number> {
    await this.#populate(offset, target.length);
    await this.#memory.readAsync(this.#base + offset, target);
    return target.length;
  }

  async write(offset: number, source: Buffer): Promise<void> {
    await this.#populate(offset, source.length);
    await this.#memory.writeAsync(this.#base + offset, source, this.#mode);
  }

  async zero(offset: number, length: number): Promise<void> {
    await this.#populate(offset, length);
    await this.#memory.fillAsync(this.#base + offset, length, 0, this.#mode);
  }

  async settle(offset: number, length: number): Promise<void> {
    if (this.#isDurable) await this.#memory.persistAsync(this.#base + offset, length);
  }

  async finish(): Promise<boolean> {
    return this.#isDurable;
  }

  async close(): Promise<void> {
    this.#region?.close();
    closeSync(this.#fd);
  }
}
