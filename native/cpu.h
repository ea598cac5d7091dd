// What the CPU and the operating system offer for write-back and bulk stores, decided once per process.
#ifndef PMEM_CPU_H_
#define PMEM_CPU_H_

#include <cstddef>

namespace pmem {

// The instruction that writes a cache line back, best first.
enum class FlushPath : int { kClwb, kClflushopt, kClflush, kDcCvap, kDcCvac };

// The widest registers that bulk stores may use; kGeneric is the C library's memmove followed by flushes.
enum class CopyPath : int { kAvx512, kAvx, kSse2, kGeneric };

struct Cpu {
  FlushPath flush;
  CopyPath copy;
  bool crc32;                  // an instruction computes CRC32C
  size_t cache_line;           // bytes written back by one flush instruction
  size_t streaming_threshold;  // copies of at least this many bytes bypass the cache
  const char* refused;         // a setting in the environment that this CPU cannot honour, or null
};

// Reads the CPU's features and PMEM_FLUSH, PMEM_COPY, PMEM_CRC32C and PMEM_MOVNT_THRESHOLD once; constant afterwards.
// In a process with AT_SECURE the four are ignored.
const Cpu& cpu();

const char* name_of(FlushPath path);
const char* name_of(CopyPath path);

}  // namespace pmem

#endif  // PMEM_CPU_H_
