/** The regions of NVDIMM namespaces: their devices are neither made nor resized by anybody but ndctl. */

import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { DaxRegion } from 'pmem/devdax';
import { throwsCode } from '../../support/errors.js';
import { small } from '../machines.js';
import { place } from '../places.js';

export const machines = [small];

const UNIT = 2 * 2 ** 20;

describe('DaxRegion of the kernel, static,', () => {
  it('shows its device, and refuses to create, resize and destroy, with the way out', () => {
    const { path } = place('dax-2m');
    const region = DaxRegion.list().find(({ instances }) => instances.some(({ name }) => name === basename(path)));
    assert(region !== undefined);
    const [instance] = region.instances;
    assert(instance !== undefined);
    assert.equal(region.align, UNIT);
    assert.equal(region.availableSize, 0);
    assert.equal(instance.size, region.size);
    assert.equal(instance.mappings.length, 1);
    assert.equal(instance.mappings[0]?.offset, region.resource);
    const message = /static: its device is what an NVDIMM namespace is.*ndctl/;
    throwsCode(() => region.create({ size: UNIT }), 'EOPNOTSUPP', { message });
    throwsCode(() => region.create(), 'EOPNOTSUPP', { message });
    throwsCode(() => instance.resize(UNIT), 'EOPNOTSUPP', { message });
    throwsCode(() => instance.destroy(), 'EOPNOTSUPP', { message });
    using device = instance.open();
    assert.equal(device.size, instance.size);
    assert.equal(device.emulated, false);
  });

  it('can be divided by a region on its device', () => {
    using region = DaxRegion.open(place('dax-2m').path);
    const [first] = [region.create({ size: UNIT }), region.create({ size: UNIT })];
    first?.destroy();
    const instance = region.create({ size: 4 * UNIT });
    assert.equal(instance.mappings.length, 2);
    using device = instance.open();
    assert.equal(device.guarantee.given, true, device.guarantee.reason);
    using mapped = device.map();
    const { faults } = device.faults(() => {
      for (let at = 0; at < mapped.size; at += 4096) mapped.load64(at);
    });
    assert(faults >= 4, `${faults} faults for 4 pages`);
    mapped.fill(0, mapped.size, 7, 'persist');
    assert.equal(
      mapped.view().every((byte) => byte === 7),
      true,
    );
  });
});
