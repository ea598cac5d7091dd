// Operations on the bytes of a mapping: guarded against faults, and made durable in the way that the mapping needs.
// What each does is said in lib/binding.ts.
#ifndef PMEM_STORE_DURABLE_H_
#define PMEM_STORE_DURABLE_H_

#include <cstddef>
#include <cstdint>

#include "guard/fault.h"
#include "mapping/mapping.h"

namespace pmem {

// How an operation ended: 0, a positive errno of msync, or one of these. lib/mailbox.ts has the same numbers.
enum Status : int {
  kOk = 0,
  kClosed = -1,    // no such handle
  kRange = -2,     // outside of the mapping, or misaligned for a 64-bit access
  kFault = -3,     // a page in the range is gone; what was copied before stays copied
  kDamaged = -4,   // the mapping is damaged: see Mapping::damage()
  kReadOnly = -5,  // the mapping is read-only
  kVolatile = -6,  // nothing can make these bytes durable
};

// How far a store is taken before the call returns. lib/mailbox.ts has the same numbers.
enum class Completion : int { kStore = 0, kFlush = 1, kPersist = 2 };

// Bytes of a mapping, as one thread sees them.
struct Span {
  Mapping* mapping;
  size_t offset;
  size_t length;
  // How far the file must reach for what the thread flushed on this mapping since its last drain. Of this thread alone:
  // at cache-line granularity a drain waits for the flushes of its own thread.
  off_t* flushed_end;

  uint8_t* begin() const { return mapping->base() + offset; }
};

int flush(const Span& span);
int drain(const Span& span, Fault* fault);  // of the whole mapping
int persist(const Span& span, Fault* fault);

int write(const Span& span, const uint8_t* source, Completion completion, Fault* fault);
int fill(const Span& span, uint8_t byte, Completion completion, Fault* fault);
int read(const Span& span, uint8_t* target, Fault* fault);

// kDamaged where the file does not contain the span any more.
int check_file(const Span& span);

int load64(const Span& span, uint64_t* value, Fault* fault);
int store64(const Span& span, uint64_t value, Fault* fault);

int crc32c(const Span& span, uint32_t* crc, Fault* fault);

}  // namespace pmem

#endif  // PMEM_STORE_DURABLE_H_
