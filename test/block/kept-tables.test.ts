/** The partition tables that other tests read are what the programs make that they are said to be of. */

import assert from 'node:assert/strict';
import { keptSectors, madeSectors, RECIPES, type Recipe, type TableName } from '../support/tables.js';
import { onTmpfs } from '../support/temp.js';
import { needsTool } from '../support/tools.js';

describe('The kept partition table', () => {
  const file = onTmpfs();

  for (const name of Object.keys(RECIPES) as TableName[]) {
    it(`'${name}' is what its recipe makes with the programs of util-linux`, function () {
      const { steps }: Recipe = RECIPES[name];
      for (const [program] of steps) needsTool(this, program);
      // After a deliberate change of a recipe: make the file anew from madeSectors of all of them.
      assert.deepEqual(madeSectors(name, file('made')), keptSectors(name));
    });
  }
});
