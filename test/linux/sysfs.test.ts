/** Attributes and paths of sysfs. */

import assert from 'node:assert/strict';
import { mkdirSync, statSync } from 'node:fs';
import { isVirtioPmem, isVolatileDax, ndRegion } from '#dist/linux/nvdimm/regions.js';
import { attribute, deviceNumber, numericAttribute } from '#dist/linux/sysfs/read.js';
import { Machine } from '../support/machine.js';
import { onDisk } from '../support/temp.js';

describe('reading sysfs', () => {
  const file = onDisk();
  let machine: Machine;
  beforeEach(() => {
    const root = file('machine');
    mkdirSync(root);
    machine = new Machine(root);
  });

  it('writes device numbers as the kernel does, large ones too', () => {
    assert.equal(deviceNumber(0n), '0:0');
    assert.equal(deviceNumber(0x801n), '8:1');
    assert.equal(deviceNumber(259n << 8n), '259:0');
    assert.equal(
      deviceNumber((1n << 44n) | (5n << 8n) | (1n << 20n) | 7n),
      '4101:263'.replace('4101', String(5 + 4096)),
    );
    const { rdev } = statSync('/dev/null', { bigint: true });
    assert.equal(deviceNumber(rdev), '1:3');
  });

  it('reads attributes as text and as numbers; none where they are empty or missing', () => {
    const device = machine.device('d', { text: 'hello', decimal: 42, hexadecimal: '0x10', empty: '', wrong: 'many' });
    assert.equal(attribute(device, 'text'), 'hello');
    assert.equal(attribute(device, 'missing'), undefined);
    assert.equal(numericAttribute(device, 'decimal'), 42);
    assert.equal(numericAttribute(device, 'hexadecimal'), 16);
    for (const name of ['empty', 'wrong', 'missing']) assert.equal(numericAttribute(device, name), undefined);
  });

  it('tells the region of a device, virtio-pmem and volatile device-DAX by the path of its directory', () => {
    const nfit = '/sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus0/region3';
    assert.equal(ndRegion(`${nfit}/dax3.1/dax/dax3.0`), nfit);
    assert.equal(ndRegion(nfit), nfit);
    assert.equal(ndRegion('/sys/devices/platform/hmem.0/dax0.0'), undefined);
    assert.equal(isVolatileDax('/sys/devices/platform/hmem.0/dax0.0'), true);
    assert.equal(isVolatileDax(`${nfit}/dax3.0`), false);
    assert.equal(isVirtioPmem('/sys/devices/pci0000:00/0000:00:04.0/virtio1/ndbus0/region0/namespace0.0'), true);
    assert.equal(isVirtioPmem(`${nfit}/namespace3.0`), false);
  });
});
