#include "store/copy.h"

#include <cstring>

#include "arch/arch.h"
#include "arch/cpu.h"

namespace pmem {

const Kernels kernels = kernels_for(cpu().flush, cpu().copy);

namespace {

const size_t nontemporal_threshold = cpu().nontemporal_threshold;

// From this length on the C library copies by REP MOVSB, which is as fast as anything, with one exception: where the
// target begins less than a line after the source, each within its page, it takes twice the time. A large Buffer lies
// so (16 bytes, malloc's header) to every sector of 4 KiB.
constexpr size_t kLeastSlow = 1024;
constexpr size_t kMostSlow = 1 << 20;
constexpr uintptr_t kPage = 4096;
constexpr uintptr_t kClose = 64;

bool close_after(const uint8_t* target, const uint8_t* source) {
  return ((reinterpret_cast<uintptr_t>(target) - reinterpret_cast<uintptr_t>(source)) & (kPage - 1)) - 1 < kClose - 1;
}

bool overlapping(const uint8_t* target, const uint8_t* source, size_t length) {
  return target < source + length && source < target + length;
}

}  // namespace

void copy_from_pmem(uint8_t* target, const uint8_t* source, size_t length) {
  const bool is_slow = length >= kLeastSlow && length <= kMostSlow && close_after(target, source);
  if (is_slow && !overlapping(target, source, length)) {
    kernels.copy_from_pmem(target, source, length);
    return;
  }
  memmove(target, source, length);
}

void copy_and_flush(uint8_t* target, const uint8_t* source, size_t length) {
  if (length >= nontemporal_threshold && !overlapping(target, source, length)) {
    kernels.nontemporal_copy(target, source, length);
    return;
  }
  memmove(target, source, length);
  kernels.flush(target, length);
}

void fill_and_flush(uint8_t* target, uint8_t byte, size_t length) {
  if (length >= nontemporal_threshold) {
    kernels.nontemporal_fill(target, byte, length);
    return;
  }
  memset(target, byte, length);
  kernels.flush(target, length);
}

bool may_be_unordered(size_t length) { return kHasUnorderedStores && length >= nontemporal_threshold; }

}  // namespace pmem
