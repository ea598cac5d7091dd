/** The way down from a file or device to its media: what one step knows of the steps below it. */

import type { Host } from '../host.js';
import type { Mount } from '../mounts.js';
import type { Media } from './media.js';

/** A file system, as far as it is known. */
export interface FileSystemPlace {
  readonly mount: Mount | undefined;
  /** statfs(2); undefined where nothing of the file system could be opened. */
  readonly magic: number | undefined;
  /** st_dev. */
  readonly device: bigint;
  /** A descriptor that is open on something in the file system. */
  readonly fd?: number;
}

/** Each method goes one level down. */
export interface Walk {
  readonly host: Host;
  /** A block device, by its directory below /sys/devices. */
  device(directory: string): Media;
  /** A block device, by its number as stat(2) has it. */
  numbered(rdev: bigint): Media;
  /** A file or directory, by a path that is known to lead to it, and its `st_dev`. */
  path(path: string, device: bigint): Media;
  fileSystem(place: FileSystemPlace): Media;
}
