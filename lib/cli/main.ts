#!/usr/bin/env node
/** The command `pmem`. */

import { dispatch } from './dispatch.js';
import { report } from './failure.js';
import { quietWhenClosed } from './terminal/output.js';

quietWhenClosed();
try {
  process.exitCode = await dispatch(process.argv.slice(2));
} catch (error) {
  process.exitCode = report(error);
}
