// What can be done to the bytes of a mapping: guarded against faults, and made durable the way the mapping needs.
#ifndef PMEM_STORE_DURABLE_H_
#define PMEM_STORE_DURABLE_H_

#include <cstddef>
#include <cstdint>

#include "guard/fault.h"
#include "mapping/mapping.h"

namespace pmem {

// How an operation ended: 0, a positive errno of msync, or one of these. Numbers shared with lib/binding.ts.
enum Status : int {
  kOk = 0,
  kClosed = -1,    // no such handle
  kRange = -2,     // outside of the mapping, or misaligned for a 64-bit access
  kFault = -3,     // a page in the range was gone; what was copied before stays copied
  kDamaged = -4,   // the mapping was damaged before: see Mapping::damage()
  kReadOnly = -5,  // the mapping is read-only
  kVolatile = -6,  // nothing can make these bytes durable
};

// How far a store is taken before the call returns. Numbers shared with lib/binding.ts.
enum class Completion : int { kStore = 0, kFlush = 1, kPersist = 2 };

struct Span {
  Mapping* mapping;
  size_t offset;
  size_t length;
  uint8_t* begin() const { return mapping->base() + offset; }
};

int flush(const Span& span);
int drain(Mapping* mapping, Fault* fault);
int persist(const Span& span, Fault* fault);

int write(const Span& span, const uint8_t* source, Completion completion, Fault* fault);
int fill(const Span& span, uint8_t byte, Completion completion, Fault* fault);
int read(const Span& span, uint8_t* target, Fault* fault);

// An aligned word of 8 bytes, in one access.
int load64(const Span& span, uint64_t* value, Fault* fault);
int store64(const Span& span, uint64_t value, Fault* fault);

// Continues the CRC32C of earlier bytes (0 to begin with) over the span.
int crc32c(const Span& span, uint32_t* crc, Fault* fault);

}  // namespace pmem

#endif  // PMEM_STORE_DURABLE_H_
