//   PKRU                handlers run with every protection key but 0 closed; V8 has its code behind one
//   MXCSR, x87 control  handlers run with the initial modes: rounding, flush-to-zero, unmasked exceptions
//
// The direction flag is clear in handlers and at every call; the kernel leaves FS and GS alone; vector registers may
// change across a call. The compiler's __builtin_longjmp keeps the shadow stack where it knows of it; elsewhere the
// addon is not loaded with one.
#include "arch/registers.h"

#include <cpuid.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace pmem {

namespace {

// The XSAVE area of a frame: Intel SDM volume 1, 13.4. The words that Linux adds:
// arch/x86/include/uapi/asm/sigcontext.h.
constexpr size_t kControl = 0;      // 2 bytes
constexpr size_t kMxcsr = 24;       // 4
constexpr size_t kMagic1 = 464;     // 4
constexpr size_t kStateSize = 480;  // 4
constexpr size_t kPresent = 512;    // 8: the components that are not in their initial state
constexpr uint32_t kMagic1Value = 0x46505853;
constexpr uint32_t kMagic2Value = 0x46505845;
constexpr unsigned kPkru = 9;  // the component

size_t pkru_offset = 0;  // 0: this CPU, or this kernel, has no protection keys

template <typename Value>
Value value_at(const uint8_t* bytes, size_t offset) {
  Value value;
  memcpy(&value, bytes + offset, sizeof(value));
  return value;
}

}  // namespace

void locate_registers() {
  unsigned a, b, c, d;
  constexpr unsigned kOspke = 1 << 4;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (c & kOspke) == 0) return;
  if (__get_cpuid_count(0xd, kPkru, &a, &b, &c, &d) != 0 && a >= sizeof(uint32_t)) pkru_offset = b;
}

void save_registers(const ucontext_t& frame, Registers* saved) {
  saved->has_modes = saved->has_keys = false;
  const uint8_t* area = reinterpret_cast<const uint8_t*>(frame.uc_mcontext.fpregs);
  if (area == nullptr) return;
  saved->has_modes = true;
  saved->x87_control = value_at<uint16_t>(area, kControl);
  saved->mxcsr = value_at<uint32_t>(area, kMxcsr);
  const size_t size = value_at<uint32_t>(area, kStateSize);
  if (pkru_offset == 0 || value_at<uint32_t>(area, kMagic1) != kMagic1Value) return;
  if (pkru_offset + sizeof(uint32_t) > size || value_at<uint32_t>(area, size) != kMagic2Value) return;
  saved->has_keys = true;
  const bool is_initial = (value_at<uint64_t>(area, kPresent) >> kPkru & 1) == 0;
  saved->pkru = is_initial ? 0 : value_at<uint32_t>(area, pkru_offset);
}

void restore_registers(const Registers& saved) {
  if (saved.has_modes) {
    __asm__ volatile("fldcw %0" : : "m"(saved.x87_control));
    __asm__ volatile("ldmxcsr %0" : : "m"(saved.mxcsr));
  }
  if (saved.has_keys) {
    // WRPKRU, as bytes: compilers and assemblers know the name only when told of the CPU.
    __asm__ volatile(".byte 0x0f, 0x01, 0xef" : : "a"(saved.pkru), "c"(0), "d"(0) : "memory");
  }
}

}  // namespace pmem
