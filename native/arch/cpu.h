// The paths that this process flushes, copies and checksums with. Decided once.
#ifndef PMEM_ARCH_CPU_H_
#define PMEM_ARCH_CPU_H_

#include <cstddef>

namespace pmem {

struct Cpu {
  // Indices for kernels_for, and the names of the paths.
  size_t flush;
  size_t copy;
  const char* flush_name;
  const char* copy_name;
  bool crc32c;        // use the instruction
  size_t cache_line;  // bytes that one flush instruction writes back
  size_t nontemporal_threshold;
  const char* refused;  // name of an environment variable that this CPU cannot honour, or null
};

// The best paths, or what PMEM_FLUSH, PMEM_COPY, PMEM_CRC32C and PMEM_NONTEMPORAL_THRESHOLD ask for. A process with
// AT_SECURE ignores the four.
const Cpu& cpu();

}  // namespace pmem

#endif  // PMEM_ARCH_CPU_H_
