// arm64. See arch/arch.h.
#ifndef PMEM_ARCH_ARM64_ARCH_H_
#define PMEM_ARCH_ARM64_ARCH_H_

#include <arm_acle.h>
#include <arm_neon.h>
#include <ucontext.h>

#include <cstdint>

namespace pmem {

// The kernels use no non-temporal stores, and a release store is ordered after all stores before it.
constexpr bool kHasUnorderedStores = false;

// Waits until every write-back that this thread started is complete. The domain is the whole system: memory lies
// outside the shareable domains.
inline void fence() { __asm__ volatile("dsb sy" ::: "memory"); }

// Towards zero, in one instruction. NaN gives 0; numbers that do not fit give the nearest integer.
inline int64_t truncate_to_int64(double value) { return vcvtd_s64_f64(value); }

// CRC32C of one byte or word more. Functions that call these need the attribute, too.
#define PMEM_CRC32C_TARGET __attribute__((target("+crc")))
PMEM_CRC32C_TARGET inline uint32_t crc32c_byte(uint32_t crc, uint8_t byte) { return __crc32cb(crc, byte); }
PMEM_CRC32C_TARGET inline uint32_t crc32c_word(uint32_t crc, uint64_t word) { return __crc32cd(crc, word); }

// The instruction that a signal interrupted.
inline uintptr_t instruction_in(const ucontext_t& frame) { return static_cast<uintptr_t>(frame.uc_mcontext.pc); }
inline void set_instruction_in(ucontext_t* frame, uintptr_t instruction) { frame->uc_mcontext.pc = instruction; }

// What a jump out of a handler has to restore beside the registers that __builtin_setjmp saves.
struct Registers {
  bool has_keys;
  uint64_t por;
};

}  // namespace pmem

#endif  // PMEM_ARCH_ARM64_ARCH_H_
