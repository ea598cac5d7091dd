//   POR_EL0  handlers run with every protection key but 0 closed
//
// The kernel leaves FPCR alone; vector registers may change across a call.
#include "arch/registers.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace pmem {

namespace {

// Records in the frame: arch/arm64/include/uapi/asm/sigcontext.h. The kernel writes one for POR_EL0 where it is used.
constexpr uint32_t kPoe = 0x504f4530;

template <typename Value>
Value value_at(const uint8_t* bytes, size_t offset) {
  Value value;
  memcpy(&value, bytes + offset, sizeof(value));
  return value;
}

}  // namespace

void locate_registers() {}

void save_registers(const ucontext_t& frame, Registers* saved) {
  saved->has_keys = false;
  const uint8_t* records = reinterpret_cast<const uint8_t*>(frame.uc_mcontext.__reserved);
  constexpr size_t kLength = sizeof(frame.uc_mcontext.__reserved);
  for (size_t at = 0; at + 16 <= kLength;) {
    const uint32_t magic = value_at<uint32_t>(records, at);
    const uint32_t size = value_at<uint32_t>(records, at + 4);
    if (magic == 0 || size < 8) return;
    if (magic == kPoe) {
      saved->has_keys = true;
      saved->por = value_at<uint64_t>(records, at + 8);
      return;
    }
    at += size;
  }
}

void restore_registers(const Registers& saved) {
  if (!saved.has_keys) return;
  // POR_EL0, by number: assemblers know the name only when told of the CPU.
  __asm__ volatile("msr S3_3_C10_C2_4, %0\n\tisb" : : "r"(saved.por) : "memory");
}

}  // namespace pmem
