// x86-64. See arch/arch.h.
#ifndef PMEM_ARCH_X86_64_ARCH_H_
#define PMEM_ARCH_X86_64_ARCH_H_

#include <nmmintrin.h>
#include <ucontext.h>

#include <cstdint>

namespace pmem {

// Non-temporal stores are ordered with no later store before a fence.
constexpr bool kHasUnorderedStores = true;

// Waits until every write-back and every non-temporal store that this thread started is complete. CLWB, CLFLUSHOPT and
// non-temporal stores are ordered by SFENCE alone (Intel SDM volume 1, 10.4.6).
inline void fence() { __builtin_ia32_sfence(); }

// Towards zero, in one instruction. NaN and numbers that do not fit give the most negative integer.
inline int64_t truncate_to_int64(double value) { return _mm_cvttsd_si64(_mm_set_sd(value)); }

// CRC32C of one byte or word more. Functions that call these need the attribute, too.
#define PMEM_CRC32C_TARGET __attribute__((target("sse4.2")))
PMEM_CRC32C_TARGET inline uint32_t crc32c_byte(uint32_t crc, uint8_t byte) { return _mm_crc32_u8(crc, byte); }
PMEM_CRC32C_TARGET inline uint32_t crc32c_word(uint32_t crc, uint64_t word) {
  return static_cast<uint32_t>(_mm_crc32_u64(crc, word));
}

// The instruction that a signal interrupted.
inline uintptr_t instruction_in(const ucontext_t& frame) {
  return static_cast<uintptr_t>(frame.uc_mcontext.gregs[REG_RIP]);
}
inline void set_instruction_in(ucontext_t* frame, uintptr_t instruction) {
  frame->uc_mcontext.gregs[REG_RIP] = static_cast<greg_t>(instruction);
}

// What a jump out of a handler has to restore beside the registers that __builtin_setjmp saves.
struct Registers {
  bool has_modes;
  bool has_keys;
  uint16_t x87_control;
  uint32_t mxcsr;
  uint32_t pkru;
};

}  // namespace pmem

#endif  // PMEM_ARCH_X86_64_ARCH_H_
