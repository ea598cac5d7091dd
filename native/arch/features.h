// What the CPU and the operating system offer. Implemented once per architecture.
#ifndef PMEM_ARCH_FEATURES_H_
#define PMEM_ARCH_FEATURES_H_

#include <cstddef>

namespace pmem {

// One way to do something: an instruction, or a kind of register.
struct Path {
  const char* name;  // as the environment and cpu() have it
  bool supported;
};

constexpr size_t kMostPaths = 4;

struct Features {
  // Best first. Unused places have no name.
  Path flush[kMostPaths];  // the instruction that writes a cache line back
  Path copy[kMostPaths];   // the widest registers for bulk stores; 'generic': memmove of the C library, then flushes
  bool crc32c;             // an instruction computes CRC32C
  size_t cache_line;       // bytes that one flush instruction writes back
  size_t nontemporal_threshold;  // copies of at least this many bytes are faster past the cache
};

Features detect_features();

}  // namespace pmem

#endif  // PMEM_ARCH_FEATURES_H_
