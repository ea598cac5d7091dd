/** Where things lie: compiled tests run from out/test/, sources and build results are beside it. */

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's directory. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
