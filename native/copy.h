// Stores into persistent memory: copy, fill, write back, fence. Nothing here knows of mappings or of JavaScript.
#ifndef PMEM_COPY_H_
#define PMEM_COPY_H_

#include <cstddef>
#include <cstdint>

namespace pmem {

// Waits until every write-back started and every streaming store made by this thread is complete.
inline void fence() {
#if defined(__x86_64__)
  __builtin_ia32_sfence();  // CLWB, CLFLUSHOPT and non-temporal stores are ordered by SFENCE alone (Intel SDM vol.
                            // 1, 10.4.6)
#elif defined(__aarch64__)
  __asm__ volatile("dsb sy" ::: "memory");  // the whole system: memory lies outside the shareable domains
#endif
}

// The CPU's own instructions, one set per (FlushPath, CopyPath). Both bulk functions leave nothing of the range dirty
// in the cache without a write-back under way: durable after fence().
struct Kernels {
  void (*flush)(const uint8_t* begin, size_t length);                          // start write-back of the covering lines
  void (*stream_copy)(uint8_t* target, const uint8_t* source, size_t length);  // ranges must not overlap
  void (*stream_fill)(uint8_t* target, uint8_t byte, size_t length);
  void (*load)(uint8_t* target, const uint8_t* source, size_t length);  // into ordinary memory; must not overlap
};

// The kernels for cpu(); implemented once per architecture.
Kernels choose_kernels();

// The kernels in use, chosen when the addon is loaded; constant afterwards.
extern const Kernels kernels;

// Copies into ordinary memory. Ranges may overlap.
void copy_out(uint8_t* target, const uint8_t* source, size_t length);

// Copies and starts the write-back. Ranges may overlap. Durable after fence().
void copy_and_flush(uint8_t* target, const uint8_t* source, size_t length);

// Whether copy_and_flush and fill_and_flush of so many bytes may store past the cache, which x86 orders with no later
// store before a fence.
bool may_stream(size_t length);

// Fills and starts the write-back. Durable after fence().
void fill_and_flush(uint8_t* target, uint8_t byte, size_t length);

}  // namespace pmem

#endif  // PMEM_COPY_H_
