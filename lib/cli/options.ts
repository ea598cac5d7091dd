/** Options that several commands have. */

import type { Option } from './command.js';

export const HELP: Option = { type: 'boolean', short: 'h', help: 'show this help' };

export const JSON_OBJECT: Option = {
  type: 'boolean',
  help: 'print a JSON object for scripts; an unknown value is null',
};

export const ASSUME_PERSISTENT: Option = {
  type: 'boolean',
  help: 'take flushed bytes for durable although the kernel does not confirm it (tmpfs)',
};

export const SECTOR_SIZE: Option = {
  type: 'string',
  short: 'b',
  value: 'BYTES',
  help: "512 or 4096; default: the block device's own, 512 for a file",
};
