/** The command line of QEMU for a machine, and the image files of its devices. */

import { closeSync, existsSync, ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Folder } from './initramfs.js';
import type { Machine, MemoryRange } from './machine.js';
import type { Toolbox } from './toolbox.js';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const LABELS = 2 * MIB;

/** One start of a machine. */
export interface Start {
  readonly machine: Machine;
  /** The directory of the images. Missing images are made, empty. */
  readonly images: string;
  /** The folder that the guest sees as `start`. */
  readonly folder: string;
  /** File descriptors of QEMU. The guest sees each as the virtio port of this name. */
  readonly ports: Readonly<Record<string, number>>;
}

function image(directory: string, name: string, size: number): string {
  const file = join(directory, name);
  if (!existsSync(file)) {
    const fd = openSync(file, 'wx');
    ftruncateSync(fd, size);
    closeSync(fd);
  }
  return file;
}

/** Doubles commas, which end a value for QEMU. */
function quoted(path: string): string {
  return path.replaceAll(',', ',,');
}

function memmap({ start, size }: MemoryRange, kind: '$' | '!'): string {
  return `memmap=0x${size.toString(16)}${kind}0x${start.toString(16)}`;
}

function backend(id: string, file: string, size: number, align?: number): string {
  const aligned = align === undefined ? '' : `,align=${align}`;
  return `memory-backend-file,id=${id},share=on,mem-path=${quoted(file)},size=${size}${aligned}`;
}

function nvdimms({ nvdimms: all }: Machine, images: string): string[] {
  return all.flatMap(({ size, node }, i) => {
    const whole = size + LABELS;
    const file = image(images, `nvdimm${i}`, whole);
    // The physical address has this alignment, and limits the size of pages that can map it.
    const align = size >= 2 * GIB ? GIB : 2 * MIB;
    const object = ['-object', backend(`mem${i}`, file, whole, align)];
    const where = node === undefined ? '' : `,node=${node}`;
    return [...object, '-device', `nvdimm,id=nv${i},memdev=mem${i},label-size=${LABELS}${where}`];
  });
}

/** NUMA nodes, if an NVDIMM has one. All ordinary memory and all CPUs are on the first. */
function nodes({ nvdimms: all, cpus = 1, memory = 2 * GIB }: Machine): string[] {
  const last = Math.max(0, ...all.map(({ node = 0 }) => node));
  if (last === 0) return [];
  const ram = ['-object', `memory-backend-ram,id=ram,size=${memory}`];
  const first = ['-numa', `node,nodeid=0,memdev=ram,cpus=0${cpus > 1 ? `-${cpus - 1}` : ''}`];
  const others = Array.from({ length: last }, (_, i) => ['-numa', `node,nodeid=${i + 1}`]);
  return [...ram, ...first, ...others.flat()];
}

function disk(name: string, file: string): string[] {
  const drive = `if=none,id=${name},format=raw,cache=unsafe,file=${quoted(file)}`;
  return ['-drive', drive, '-device', `virtio-blk-pci,drive=${name},serial=${name}`];
}

function folder(tag: Folder, path: string): string[] {
  const options = 'security_model=none,readonly=on,multidevs=remap';
  return ['-virtfs', `local,path=${quoted(path)},mount_tag=${tag},${options}`];
}

function ports(all: Readonly<Record<string, number>>): string[] {
  return Object.entries(all).flatMap(([name, fd]) => [
    '-chardev',
    `socket,id=${name},fd=${fd}`,
    '-device',
    `virtserialport,chardev=${name},name=${name}`,
  ]);
}

/** Makes type 1 (usable) type 0xefffffff (soft-reserved): Documentation/admin-guide/kernel-parameters.txt, memmap=. */
function softReserved({ start, size }: MemoryRange): string {
  return `memmap=0x${size.toString(16)}%0x${start.toString(16)}-1+0xefffffff`;
}

function kernelArguments({ reserved, legacy, soft, kernelArguments: more }: Machine): string {
  return [
    // A kernel in trouble panics at once, and ends.
    'console=ttyS0 quiet panic=-1 oops=panic',
    // An emulated CPU gains nothing by these.
    'mitigations=off nokaslr audit=0 apparmor=0 cryptomgr.notests',
    // The kernel checks the timer's ticks against its own speed, and would panic on a busy host, where they come late.
    'no_timer_check',
    ...(reserved === undefined ? [] : [memmap(reserved, '$')]),
    ...(legacy === undefined ? [] : [memmap(legacy, '!')]),
    ...(soft === undefined ? [] : [softReserved(soft)]),
    ...(more === undefined ? [] : [more]),
  ].join(' ');
}

/** All of QEMU's arguments. The console is its standard input and output. */
export function qemuArguments(tools: Toolbox, { machine, images, folder: start, ports: wanted }: Start): string[] {
  const { cpu = 'max', cpus = 1, memory = 2 * GIB, persistence = 'mem-ctrl', bar, disks, virtioPmem } = machine;
  const hotplug = virtioPmem === undefined ? 0 : virtioPmem + 2 * GIB;
  const most = machine.nvdimms.reduce((sum, { size }) => sum + size + 2 * GIB, memory + hotplug);
  const slots = machine.nvdimms.length;
  return [
    // Emulation works everywhere, and has every CPU. KVM would be faster, but works on some hosts only.
    ...['-machine', `pc,accel=tcg,nvdimm=on,nvdimm-persistence=${persistence}`, '-cpu', cpu, '-smp', String(cpus)],
    ...['-m', `size=${memory / MIB}M,slots=${slots},maxmem=${Math.ceil(most / MIB)}M`],
    ...nodes(machine),
    ...nvdimms(machine, images),
    ...(bar === undefined ? [] : ['-object', backend('bar', image(images, 'bar', bar), bar)]),
    ...(bar === undefined ? [] : ['-device', 'ivshmem-plain,memdev=bar']),
    ...(virtioPmem === undefined
      ? []
      : ['-object', backend('virtio', image(images, 'virtio', virtioPmem), virtioPmem)]),
    ...(virtioPmem === undefined ? [] : ['-device', 'virtio-pmem-pci,memdev=virtio,id=virtio-pmem']),
    ...(disks === undefined ? [] : disk('ext4', image(images, 'disk-ext4', disks.ext4))),
    ...(disks === undefined ? [] : disk('empty', image(images, 'disk-empty', disks.empty))),
    ...folder('host', '/'),
    ...folder('tools', tools.root),
    ...folder('start', start),
    ...['-device', 'virtio-serial-pci', ...ports(wanted)],
    ...['-device', 'virtio-rng-pci'],
    ...['-kernel', tools.kernel, '-initrd', tools.initramfs, '-append', kernelArguments(machine)],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-chardev', 'stdio,id=console,signal=off,mux=on', '-serial', 'chardev:console'],
  ];
}
