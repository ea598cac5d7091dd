#include "arch/features.h"

#include <sys/auxv.h>

#include <cstdint>

namespace pmem {

// The order of the paths is that of kernels.cc.
Features detect_features() {
  constexpr unsigned long kHwcapCrc32 = 1ul << 7;
  constexpr unsigned long kHwcapDcPop = 1ul << 16;
  const unsigned long hwcap = getauxval(AT_HWCAP);
  Features found = {};
  found.flush[0] = {"dc cvap", (hwcap & kHwcapDcPop) != 0};
  found.flush[1] = {"dc cvac", true};
  found.copy[0] = {"generic", true};
  found.crc32c = hwcap & kHwcapCrc32;
  found.nontemporal_threshold = 256;
  uint64_t cache_type;
  __asm__("mrs %0, ctr_el0" : "=r"(cache_type));
  found.cache_line = size_t{4} << ((cache_type >> 16) & 0xf);  // DminLine: log2 of words of 4 bytes
  return found;
}

}  // namespace pmem
