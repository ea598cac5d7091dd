/** What a region says of what is at the bottom, on devices that this machine need not have: RAM disks, device mapper, md. */

import { join } from 'node:path';
import { stackTests } from '../../support/stacks.js';
import { everything } from '../machines.js';
import { place } from '../places.js';

export const machines = [everything];

describe('What a region says of the media below it, in the lab,', () => {
  stackTests('lab', (name) => join(place('disk').path, name));
});
