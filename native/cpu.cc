#include "cpu.h"

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "environment.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace pmem {

namespace {

struct Features {
  bool flush[5];  // by FlushPath
  bool copy[4];   // by CopyPath
  bool crc32;
  size_t cache_line;
  size_t streaming_threshold;
};

#if defined(__x86_64__)

// The operating system must save the wide registers on a context switch, which CPUID alone does not tell (XCR0 does).
uint64_t xcr0() {
  uint32_t low;
  uint32_t high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

Features detect() {
  Features found = {};
  found.cache_line = 64;
  found.streaming_threshold = 256;
  found.copy[static_cast<int>(CopyPath::kGeneric)] = true;
  found.copy[static_cast<int>(CopyPath::kSse2)] = true;

  uint32_t eax;
  uint32_t ebx;
  uint32_t ecx;
  uint32_t edx;
  // AMD's CLWB costs as much as a fence, so that even one line is better streamed (Zen 5: 103 ns against 167).
  if (__get_cpuid(0, &eax, &ebx, &ecx, &edx) && ebx == signature_AMD_ebx) found.streaming_threshold = 64;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return found;
  found.flush[static_cast<int>(FlushPath::kClflush)] = edx & (1u << 19);
  found.crc32 = ecx & (1u << 20);
  if (const uint32_t line = ((ebx >> 8) & 0xff) * 8) found.cache_line = line;
  const bool xsave = ecx & (1u << 27);
  const bool avx = ecx & (1u << 28);
  const uint64_t saved = xsave ? xcr0() : 0;
  constexpr uint64_t kYmm = 0x6;
  constexpr uint64_t kZmm = 0xe6;
  found.copy[static_cast<int>(CopyPath::kAvx)] = avx && (saved & kYmm) == kYmm;

  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return found;
  found.flush[static_cast<int>(FlushPath::kClflushopt)] = ebx & (1u << 23);
  found.flush[static_cast<int>(FlushPath::kClwb)] = ebx & (1u << 24);
  found.copy[static_cast<int>(CopyPath::kAvx512)] = (ebx & (1u << 16)) && (saved & kZmm) == kZmm;
  return found;
}

#elif defined(__aarch64__)

Features detect() {
  Features found = {};
  found.streaming_threshold = 256;
  constexpr unsigned long kHwcapDcPop = 1ul << 16;
  constexpr unsigned long kHwcapCrc32 = 1ul << 7;
  const unsigned long hwcap = getauxval(AT_HWCAP);
  found.flush[static_cast<int>(FlushPath::kDcCvac)] = true;
  found.flush[static_cast<int>(FlushPath::kDcCvap)] = hwcap & kHwcapDcPop;
  found.copy[static_cast<int>(CopyPath::kGeneric)] = true;
  found.crc32 = hwcap & kHwcapCrc32;
  uint64_t cache_type;
  __asm__("mrs %0, ctr_el0" : "=r"(cache_type));
  found.cache_line = size_t{4} << ((cache_type >> 16) & 0xf);  // DminLine: log2 of words of 4 bytes
  return found;
}

#else
#error "pmem knows how to make stores durable on x86-64 and arm64 only"
#endif

const char* const kFlushNames[] = {"clwb", "clflushopt", "clflush", "dc cvap", "dc cvac"};
const char* const kCopyNames[] = {"avx512", "avx", "sse2", "generic"};

// Takes the first supported path, or the one that the environment asks for. False: it asks for one that is not there.
template <size_t N>
bool choose(const bool (&supported)[N], const char* const (&names)[N], const char* wanted, int* chosen) {
  for (size_t i = 0; i < N; i++) {
    if (!supported[i]) continue;
    if (wanted != nullptr && strcmp(wanted, names[i]) != 0) continue;
    *chosen = static_cast<int>(i);
    return true;
  }
  return false;
}

Cpu decide() {
  const Features found = detect();
  Cpu result = {};
  int flush = 0;
  int copy = 0;
  if (!choose(found.flush, kFlushNames, setting("PMEM_FLUSH"), &flush)) result.refused = "PMEM_FLUSH";
  if (!choose(found.copy, kCopyNames, setting("PMEM_COPY"), &copy)) result.refused = "PMEM_COPY";
  result.flush = static_cast<FlushPath>(flush);
  result.copy = static_cast<CopyPath>(copy);
  const char* crc = setting("PMEM_CRC32C");
  result.crc32 = found.crc32 && (crc == nullptr || strcmp(crc, "instruction") == 0);
  if (crc != nullptr && strcmp(crc, "table") != 0 && !result.crc32) result.refused = "PMEM_CRC32C";
  result.cache_line = found.cache_line;
  result.streaming_threshold = found.streaming_threshold;
  if (const char* text = setting("PMEM_MOVNT_THRESHOLD")) {
    char* end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || *text < '0' || *text > '9') {
      result.refused = "PMEM_MOVNT_THRESHOLD";
    } else {
      result.streaming_threshold = value;
    }
  }
  return result;
}

}  // namespace

const Cpu& cpu() {
  static const Cpu decided = decide();
  return decided;
}

const char* name_of(FlushPath path) { return kFlushNames[static_cast<int>(path)]; }
const char* name_of(CopyPath path) { return kCopyNames[static_cast<int>(path)]; }

}  // namespace pmem
