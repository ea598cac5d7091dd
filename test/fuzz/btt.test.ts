/** Damaged BTTs by the hundred thousand: `npm run test:fuzz`. `FUZZ_SEED` and `FUZZ_COUNT` in the environment change what is run. */

import { judgeImage, mutate, originals, type Verdict } from '../support/btt-mutants.js';
import { PlainMemory } from '../support/plain-memory.js';
import { Random } from '../support/random.js';

const { FUZZ_SEED = '1', FUZZ_COUNT = '600000' } = process.env;
const [SEED, COUNT] = [Number(FUZZ_SEED), Number(FUZZ_COUNT)];

describe('Btt', () => {
  it(`reads ${COUNT} damaged BTTs, or throws coded errors, with seed ${SEED}`, () => {
    const images = originals();
    const memories = images.map(({ bytes }) => new PlainMemory(bytes.length));
    const verdicts: Partial<Record<Verdict, number>> = {};
    for (let i = 0; i < COUNT; i++) {
      const random = new Random(SEED * 2 ** 20 + i);
      const which = random.below(images.length);
      const [image, memory] = [images[which], memories[which]];
      if (image === undefined || memory === undefined) continue;
      mutate(image, memory, random);
      try {
        const verdict = judgeImage(memory);
        verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
      } catch (error) {
        throw new Error(`image ${i} of seed ${SEED}`, { cause: error });
      }
    }
    console.log(`      ${JSON.stringify(verdicts)}`);
  });
});
