// Comes before every program that runs under qemu-user; PMEM_TEST_NODE is how to start another one.
'use strict';

require('./cvap.node');
process.execPath = process.env.PMEM_TEST_NODE ?? process.execPath;
