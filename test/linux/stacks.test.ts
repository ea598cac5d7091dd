/** What a region tells of its media, on stacks of real file systems and block devices. */

import { stackTests } from '../support/stacks.js';
import { onDisk } from '../support/temp.js';

describe('region.durability.below', () => {
  stackTests('host', onDisk());
});
