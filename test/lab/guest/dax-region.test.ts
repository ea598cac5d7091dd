import { hmem } from '../machines.js';

export const machines = [hmem];

describe('a DAX region of the kernel', () => {
  it('is there', () => {});
});
