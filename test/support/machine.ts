/** Other machines' /sys and /proc, made in a directory: persistent memory of every kind without having any. */

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { PmemDevice } from 'pmem';
import type { Host } from '#dist/linux/host.js';
import { devicesOf } from '#dist/memory/devices.js';

const GIB = 2 ** 30;

type Attributes = Readonly<Record<string, string | number>>;

/** A machine that tells about itself as the kernel would, in a directory. */
export class Machine {
  readonly host: Host;
  readonly #mounts: string[] = [];

  constructor(root: string) {
    this.host = { sys: join(root, 'sys'), proc: join(root, 'proc') };
    mkdirSync(join(this.host.sys, 'bus', 'nd', 'devices'), { recursive: true });
    mkdirSync(join(this.host.sys, 'bus', 'dax', 'devices'), { recursive: true });
    mkdirSync(join(this.host.proc, 'self'), { recursive: true });
    this.mount('8:1', '/', 'ext4', '/dev/sda1');
  }

  /** A device's directory below /sys/devices, with its attributes. */
  device(path: string, attributes: Attributes = {}): string {
    const directory = join(this.host.sys, 'devices', path);
    mkdirSync(directory, { recursive: true });
    for (const [name, value] of Object.entries(attributes)) writeFileSync(join(directory, name), `${value}\n`);
    return directory;
  }

  /** A device that is on a bus, and bound to a driver unless that is empty. */
  onBus(bus: 'nd' | 'dax', path: string, driver: string, attributes: Attributes = {}): void {
    const directory = this.device(path, attributes);
    symlinkSync(directory, join(this.host.sys, 'bus', bus, 'devices', basename(path)));
    if (driver === '') return;
    const target = join(this.host.sys, 'bus', bus, 'drivers', driver);
    mkdirSync(target, { recursive: true });
    symlinkSync(target, join(directory, 'driver'));
  }

  mount(device: string, mountPoint: string, type: string, source: string): void {
    this.#mounts.push(
      `${30 + this.#mounts.length} 1 ${device} / ${mountPoint} rw,relatime shared:1 - ${type} ${source} rw,dax`,
    );
    writeFileSync(join(this.host.proc, 'self', 'mountinfo'), `${this.#mounts.join('\n')}\n`);
  }

  /** What the library makes of it. */
  list(): PmemDevice[] {
    return devicesOf(this.host);
  }
}

const NFIT = 'LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus0';

/** A region of two NVDIMMs. */
export function nvdimms(machine: Machine, region = 'region0', domain = 'memory_controller'): string {
  machine.device(NFIT, { provider: 'ACPI.NFIT' });
  machine.device(`${NFIT}/${region}`, { persistence_domain: domain, numa_node: 1, target_node: 3, size: 128 * GIB });
  return `${NFIT}/${region}`;
}

/** What the kernel tells of a namespace that has a label. */
export function labelled(mode: string, holder: string): Attributes {
  return {
    devtype: 'nd_namespace_pmem',
    nstype: 5,
    mode,
    holder,
    size: 128 * GIB,
    resource: '0x100000000',
    sector_size: '[512] 4096 ',
    alt_name: '',
    force_raw: 0,
    numa_node: 1,
    target_node: 3,
  };
}
