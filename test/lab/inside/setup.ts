/** Runs in the guest: makes the machine's namespaces and file systems on the bare devices. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { Machine, Namespace } from '../machine.js';
import type { Place, Plan } from '../plan.js';

/** In the guest's own memory, whatever the host has there. */
const HOME = '/run/devices';

/** The modules that the machine needs. An emulated CPU takes a while to load one. */
function modulesOf({ nvdimms, legacy, soft, disks, virtioPmem }: Machine): string[] {
  const all = nvdimms.flatMap(({ namespaces }) => namespaces);
  const has = (mode: Namespace['mode']) => all.some((namespace) => namespace.mode === mode);
  const holds = (type: string) => all.some((one) => one.mode === 'fsdax' && one.fileSystem === type);
  return [
    ...(disks === undefined ? [] : ['virtio_blk']),
    ...(nvdimms.length === 0 ? [] : ['nfit', 'nd_pmem']),
    ...(legacy === undefined ? [] : ['nd_e820', 'nd_pmem']),
    ...(soft === undefined ? [] : ['dax_hmem', 'device_dax']),
    ...(virtioPmem === undefined ? [] : ['virtio_pmem', 'nd_pmem', 'dax_pmem', 'device_dax']),
    ...(has('sector') ? ['nd_btt'] : []),
    ...(has('devdax') ? ['dax_pmem', 'device_dax'] : []),
    ...(holds('ext4') || legacy !== undefined || disks !== undefined ? ['ext4'] : []),
    ...(holds('xfs') ? ['xfs'] : []),
  ];
}

/** Runs a program. If it fails, its output is in the error's message. */
export function run(command: string, ...args: string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const { stderr, stdout } = error as { stderr?: string; stdout?: string };
    throw new Error(`${command} ${args.join(' ')}: ${stderr}${stdout}`, { cause: error });
  }
}

/** What ndctl prints of a namespace. */
interface Listed {
  readonly dev: string;
  readonly name?: string;
  readonly blockdev?: string;
  readonly chardev?: string;
  readonly daxregion?: { readonly devices?: readonly { readonly chardev: string }[] };
}

function listed(): Listed[] {
  const text = run('ndctl', 'list', '--namespaces', '--device-dax');
  return text.trim() === '' ? [] : [JSON.parse(text)].flat();
}

/** The regions in the order of their NVDIMMs: `region0` is not always on the first. */
function regionsByDimm(): string[] {
  const regions = JSON.parse(run('ndctl', 'list', '--regions', '--dimms')) as {
    regions: { dev: string; mappings?: { dimm: string }[] }[];
  };
  const found: string[] = [];
  for (const { dev, mappings } of regions.regions) {
    const dimm = mappings?.[0]?.dimm;
    if (dimm !== undefined) found[Number(dimm.replace('nmem', ''))] = dev;
  }
  return found;
}

function modeArguments(namespace: Namespace): string[] {
  switch (namespace.mode) {
    case 'devdax':
      return ['--align', String(namespace.align)];
    case 'sector':
      return ['--sector-size', String(namespace.sectorSize)];
    default:
      return [];
  }
}

function createNamespaces({ nvdimms }: Machine): void {
  run('ndctl', 'disable-region', 'all');
  run('ndctl', 'init-labels', '--force', 'all');
  run('ndctl', 'enable-region', 'all');
  const regions = regionsByDimm();
  for (const [i, { namespaces }] of nvdimms.entries()) {
    for (const namespace of namespaces) {
      const { name, mode, size } = namespace;
      const what = ['--region', regions[i] ?? `of nvdimm ${i}`, '--name', name, '--mode', mode, '--size', String(size)];
      run('ndctl', 'create-namespace', ...what, ...modeArguments(namespace));
    }
  }
}

function directory(name: string): string {
  const path = join(HOME, name);
  mkdirSync(path, { recursive: true });
  return path;
}

function makeFileSystem(type: 'ext4' | 'xfs', device: string): void {
  // DAX needs blocks as large as pages. Small file systems would get smaller blocks.
  if (type === 'ext4') run('mkfs.ext4', '-q', '-F', '-b', '4096', device);
  // Large pages need extents aligned to 2 MiB. ext4 aligns them by itself.
  else run('mkfs.xfs', '-q', '-f', '-m', 'reflink=0', '-d', 'agcount=2,su=2m,sw=1', device);
}

function mount(type: string, device: string, name: string, options = 'defaults'): string {
  const path = directory(name);
  run('mount', '-t', type, '-o', options, device, path);
  return path;
}

function namespacePlace(namespace: Namespace, { dev, blockdev, chardev, daxregion }: Listed, format: boolean): Place {
  const character = chardev ?? daxregion?.devices?.[0]?.chardev;
  const node = blockdev ?? character;
  if (node === undefined) throw new Error(`${dev} has no device`);
  const device = `/dev/${node}`;
  if (namespace.mode !== 'fsdax' || namespace.fileSystem === 'none') return { path: device, device, namespace: dev };
  if (format) makeFileSystem(namespace.fileSystem, device);
  return { path: mount(namespace.fileSystem, device, namespace.name, 'dax'), device, namespace: dev };
}

/** The block device with this serial in QEMU. */
function diskOf(serial: string): string {
  const name = readdirSync('/sys/block').find((one) => {
    return one.startsWith('vd') && readFileSync(`/sys/block/${one}/serial`, 'utf8').trim() === serial;
  });
  if (name === undefined) throw new Error(`no virtio disk '${serial}'`);
  return `/dev/${name}`;
}

/** BAR 2 of the ivshmem device. */
function barOf(): string {
  const devices = '/sys/bus/pci/devices';
  const found = readdirSync(devices).find((one) => {
    const id = ['vendor', 'device'].map((name) => readFileSync(join(devices, one, name), 'utf8').trim()).join(' ');
    return id === '0x1af4 0x1110';
  });
  if (found === undefined) throw new Error('no ivshmem device');
  // The BAR is not decoded until the device is enabled.
  execFileSync('sh', ['-c', `echo 1 >${join(devices, found, 'enable')}`]);
  return join(devices, found, 'resource2');
}

/** The namespace that a driver of libnvdimm made. */
function namespaceFrom(provider: string): string {
  const bus = '/sys/bus/nd/devices';
  const found = readdirSync(bus).find((name) => {
    if (!/^namespace\d+\.0$/.test(name)) return false;
    const path = realpathSync(join(bus, name));
    return readFileSync(join(path, '..', '..', 'provider'), 'utf8').trim() === provider;
  });
  if (found === undefined) throw new Error(`no namespace of ${provider}`);
  return found;
}

/** Sets everything up. Returns the places by name. */
export function setUp({ machine, format }: Pick<Plan, 'machine' | 'format'>): Record<string, Place> {
  const modules = modulesOf(machine);
  if (modules.length > 0) run('modprobe', '--config', '/dev/null', '--all', ...modules);
  const places: Record<string, Place> = {};
  if (format && machine.nvdimms.length > 0) createNamespaces(machine);
  const found = listed();
  for (const namespace of machine.nvdimms.flatMap(({ namespaces }) => namespaces)) {
    const one = found.find(({ name }) => name === namespace.name);
    if (one === undefined) throw new Error(`there is no namespace '${namespace.name}'`);
    places[namespace.name] = namespacePlace(namespace, one, format);
  }
  const simple = (path: string, device?: string): Place => ({ path, device, namespace: undefined });
  places['tmpfs'] = simple(mount('tmpfs', 'tmpfs', 'tmpfs'));
  if (machine.legacy !== undefined) {
    const namespace = namespaceFrom('e820');
    const device = `/dev/${found.find(({ dev }) => dev === namespace)?.blockdev}`;
    if (format) makeFileSystem('ext4', device);
    places['legacy'] = { path: mount('ext4', device, 'legacy', 'dax'), device, namespace };
  }
  if (machine.virtioPmem !== undefined) {
    const namespace = namespaceFrom('virtio-pmem');
    const device = `/dev/${found.find(({ dev }) => dev === namespace)?.blockdev}`;
    places['virtio'] = { path: device, device, namespace };
  }
  if (machine.reserved !== undefined) places['devmem'] = simple('/dev/mem', '/dev/mem');
  if (machine.bar !== undefined) places['bar'] = simple(barOf());
  if (machine.disks !== undefined) {
    const device = diskOf('ext4');
    if (format) makeFileSystem('ext4', device);
    places['disk'] = simple(mount('ext4', device, 'disk'), device);
    places['empty'] = simple(diskOf('empty'), diskOf('empty'));
  }
  return places;
}

/** Unmounts what {@link setUp} mounted: the images are then as after a shutdown. */
export function tearDown(): void {
  if (existsSync(HOME)) for (const name of readdirSync(HOME)) run('umount', '--lazy', join(HOME, name));
  run('sync');
}
