// arm64: Arm ARM D7.4 (cache maintenance by address to the point of persistence or of coherency). Only DSB waits for
// the maintenance instructions (fence in arch.h).
#include "arch/kernels.h"

#include <cstring>

#include "arch/cpu.h"

namespace pmem {

namespace {

inline uintptr_t line_of(const uint8_t* address) {
  return reinterpret_cast<uintptr_t>(address) & ~(uintptr_t{cpu().cache_line} - 1);
}

void flush_cvap(const uint8_t* begin, size_t length) {
  const uintptr_t end = reinterpret_cast<uintptr_t>(begin) + length;
  for (uintptr_t line = line_of(begin); line < end; line += cpu().cache_line) {
    __asm__ volatile("sys #3, c7, c12, #1, %0" ::"r"(line) : "memory");  // dc cvap; older assemblers lack the name
  }
}

void flush_cvac(const uint8_t* begin, size_t length) {
  const uintptr_t end = reinterpret_cast<uintptr_t>(begin) + length;
  for (uintptr_t line = line_of(begin); line < end; line += cpu().cache_line) {
    __asm__ volatile("dc cvac, %0" ::"r"(line) : "memory");
  }
}

template <void (*Flush)(const uint8_t*, size_t)>
void copy_flush(uint8_t* target, const uint8_t* source, size_t length) {
  memcpy(target, source, length);
  Flush(target, length);
}

template <void (*Flush)(const uint8_t*, size_t)>
void fill_flush(uint8_t* target, uint8_t byte, size_t length) {
  memset(target, byte, length);
  Flush(target, length);
}

void copy_from_pmem(uint8_t* target, const uint8_t* source, size_t length) { memcpy(target, source, length); }

}  // namespace

// The order is that of features.cc.
Kernels kernels_for(size_t flush, size_t) {
  if (flush == 0) return {flush_cvap, copy_flush<flush_cvap>, fill_flush<flush_cvap>, copy_from_pmem};
  return {flush_cvac, copy_flush<flush_cvac>, fill_flush<flush_cvac>, copy_from_pmem};
}

}  // namespace pmem
