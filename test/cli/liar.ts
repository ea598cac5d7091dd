/** A writer that acknowledges more than it wrote: the crash test must notice. */

import { writeSync } from 'node:fs';
import { setInterval } from 'node:timers';

const acknowledgement = Buffer.alloc(8);
acknowledgement.writeBigUInt64LE(7n);
writeSync(3, acknowledgement);
setInterval(() => {}, 1000);
