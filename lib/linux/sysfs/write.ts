/** Writing attributes of sysfs. The kernel takes the bytes of one write(2) as the value. */

import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { systemError } from '../../errors.js';

function advice(error: unknown): string | undefined {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EACCES':
    case 'EPERM':
      return 'Only root may write it: run this as root';
    case 'EROFS':
      return 'sysfs is mounted read-only here, as containers have it: run this outside, as root';
    case 'ENOENT':
      return 'The kernel does not offer it for this device, or the device is gone';
    default:
      return undefined;
  }
}

/**
 * Writes an attribute with one write(2), as `echo -n VALUE > DIRECTORY/NAME` does. Creates no file.
 *
 * @throws PmemError with the kernel's code; `syscall` is `open` where the attribute cannot be written, and `write` where the kernel
 *   refused the value
 */
export function writeAttribute(directory: string, name: string, value: string): void {
  const path = join(directory, name);
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_WRONLY);
    writeSync(fd, value);
  } catch (error) {
    throw systemError(error, path, advice(error));
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
