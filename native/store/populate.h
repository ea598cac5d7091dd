// Brings pages into a mapping.
#ifndef PMEM_STORE_POPULATE_H_
#define PMEM_STORE_POPULATE_H_

#include <cstddef>
#include <cstdint>

#include "guard/fault.h"

namespace pmem {

// Faults in every page that has a byte of the range: for storing where it is writable. No byte changes. Returns 0, a
// positive errno or kFault.
int populate_range(uint8_t* begin, size_t length, bool writable, Fault* fault);

}  // namespace pmem

#endif  // PMEM_STORE_POPULATE_H_
