/** File systems in memory, and file systems that another machine or program serves. */

/** statfs(2): tmpfs (also memfd and devtmpfs), ramfs, hugetlbfs, secretmem. */
const VOLATILE_MAGIC: ReadonlySet<number> = new Set([0x01021994, 0x858458f6, 0x958458f6, 0x5345434d]);
const VOLATILE_TYPES: ReadonlySet<string> = new Set(['tmpfs', 'ramfs', 'hugetlbfs', 'devtmpfs', 'rootfs']);

const REMOTE: ReadonlySet<string> = new Set([
  ...['nfs', 'nfs4', 'cifs', 'smb3', 'smbfs', 'ncpfs', '9p', 'ceph', 'afs', 'coda', 'lustre', 'orangefs', 'pvfs2'],
  ...['virtiofs', 'vboxsf', 'vmhgfs', 'prl_fs', 'hostfs', 'fuse', 'fuseblk', 'beegfs', 'gpfs', 'glusterfs'],
]);

/** Whether the number that statfs(2) tells is of a file system in memory. */
export function isVolatileMagic(magic: number | undefined): boolean {
  return magic !== undefined && VOLATILE_MAGIC.has(magic);
}

/** Whether a file system of this type, as the kernel names it, is in memory. */
export function isVolatileType(type: string): boolean {
  return VOLATILE_TYPES.has(type);
}

/** The server of a file system of this type, a clause; undefined where a device of this machine holds the files. */
export function serverOf(type: string): string | undefined {
  if (/^fuse(blk|\..*)?$/.test(type)) return 'FUSE: a program serves it';
  return REMOTE.has(type) ? 'another machine or program serves it' : undefined;
}
