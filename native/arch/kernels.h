// The loops that copy, fill and write back, for each path of arch/features.h. Implemented once per architecture.
#ifndef PMEM_ARCH_KERNELS_H_
#define PMEM_ARCH_KERNELS_H_

#include <cstddef>
#include <cstdint>

namespace pmem {

// The two bulk functions leave no line of the range dirty in the cache without a write-back under way: the range is
// durable after fence().
struct Kernels {
  void (*flush)(const uint8_t* begin, size_t length);  // starts the write-back of every line that the range touches
  void (*nontemporal_copy)(uint8_t* target, const uint8_t* source, size_t length);  // ranges must not overlap
  void (*nontemporal_fill)(uint8_t* target, uint8_t byte, size_t length);
  void (*copy_from_pmem)(uint8_t* target, const uint8_t* source, size_t length);  // ranges must not overlap
};

// `flush` and `copy` are indices in Features::flush and Features::copy.
Kernels kernels_for(size_t flush, size_t copy);

}  // namespace pmem

#endif  // PMEM_ARCH_KERNELS_H_
