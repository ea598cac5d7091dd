/** What a region says of what is at the bottom: stacks of real file systems and block devices. */

import { stackTests } from '../support/stacks.js';
import { onDisk } from '../support/temp.js';

describe('what a region says of what is below', () => {
  stackTests('host', onDisk());
});
