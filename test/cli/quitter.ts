/** A writer that ends before it is killed. */

throw new Error('the disk is on fire');
