// sigreturn gives back all of these; a jump none. What of it code may rely on across a call, beyond the registers that
// __builtin_setjmp brings back:
//
//   signal mask         ours blocks nothing, but a handler in front of ours may
//   alternate stack     SS_AUTODISARM takes it away until sigreturn
//   PKRU                handlers run with every protection key but 0 closed; V8 has its code behind one
//   MXCSR, x87 control  handlers run with the initial modes: rounding, flush-to-zero, unmasked exceptions
//   POR_EL0 (arm64)     as PKRU
//
// Nothing is to do for the direction flag (clear in handlers and at every call), FS and GS (the kernel leaves them),
// vector registers (a call may change them) and FPCR (arm64: the kernel leaves it). The shadow stack is
// __builtin_longjmp's own matter, where the compiler knows of it; else the addon is not loaded with one.
#include "interrupted.h"

#include <signal.h>
#include <ucontext.h>

#include <cstdint>
#include <cstring>

#include "fault.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

namespace pmem {

namespace {

struct Interrupted {
  uint64_t mask;  // as the kernel knows it
  bool has_mask;
  bool has_stack;
  bool has_modes;
  bool has_keys;
  uint16_t x87_control;
  uint32_t mxcsr;
  uint64_t keys;  // PKRU, or POR_EL0
  stack_t stack;
};

PMEM_THREAD_LOCAL Interrupted t_interrupted;

template <typename Value>
Value value_at(const uint8_t* bytes, size_t offset) {
  Value value;
  memcpy(&value, bytes + offset, sizeof(value));
  return value;
}

#if defined(__x86_64__)

// The XSAVE area of a frame: Intel SDM volume 1, 13.4; the words that Linux adds:
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

void keep_registers(const ucontext_t* context, Interrupted* kept) {
  const uint8_t* area = reinterpret_cast<const uint8_t*>(context->uc_mcontext.fpregs);
  if (area == nullptr) return;
  kept->has_modes = true;
  kept->x87_control = value_at<uint16_t>(area, kControl);
  kept->mxcsr = value_at<uint32_t>(area, kMxcsr);
  const size_t size = value_at<uint32_t>(area, kStateSize);
  if (pkru_offset == 0 || value_at<uint32_t>(area, kMagic1) != kMagic1Value) return;
  if (pkru_offset + sizeof(uint32_t) > size || value_at<uint32_t>(area, size) != kMagic2Value) return;
  kept->has_keys = true;
  const bool initial = (value_at<uint64_t>(area, kPresent) >> kPkru & 1) == 0;
  kept->keys = initial ? 0 : value_at<uint32_t>(area, pkru_offset);
}

void restore_registers(const Interrupted& kept) {
  if (kept.has_modes) {
    __asm__ volatile("fldcw %0" : : "m"(kept.x87_control));
    __asm__ volatile("ldmxcsr %0" : : "m"(kept.mxcsr));
  }
  if (kept.has_keys) {
    // WRPKRU, which compilers and assemblers know by name only when told of the CPU.
    __asm__ volatile(".byte 0x0f, 0x01, 0xef" : : "a"(static_cast<uint32_t>(kept.keys)), "c"(0), "d"(0) : "memory");
  }
}

#elif defined(__aarch64__)

// Records in the frame: arch/arm64/include/uapi/asm/sigcontext.h. The kernel writes one for POR_EL0 where it is used.
constexpr uint32_t kPoe = 0x504f4530;

void keep_registers(const ucontext_t* context, Interrupted* kept) {
  const uint8_t* records = reinterpret_cast<const uint8_t*>(context->uc_mcontext.__reserved);
  constexpr size_t kLength = sizeof(context->uc_mcontext.__reserved);
  for (size_t at = 0; at + 16 <= kLength;) {
    const uint32_t magic = value_at<uint32_t>(records, at);
    const uint32_t size = value_at<uint32_t>(records, at + 4);
    if (magic == 0 || size < 8) return;
    if (magic == kPoe) {
      kept->has_keys = true;
      kept->keys = value_at<uint64_t>(records, at + 8);
      return;
    }
    at += size;
  }
}

void restore_registers(const Interrupted& kept) {
  if (!kept.has_keys) return;
  // POR_EL0, which assemblers know by name only when told of the CPU.
  __asm__ volatile("msr S3_3_C10_C2_4, %0\n\tisb" : : "r"(kept.keys) : "memory");
}

#else

void keep_registers(const ucontext_t*, Interrupted*) {}
void restore_registers(const Interrupted&) {}

#endif

}  // namespace

void learn_frame() {
#if defined(__x86_64__)
  unsigned a, b, c, d;
  constexpr unsigned kOspke = 1 << 4;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (c & kOspke) == 0) return;
  if (__get_cpuid_count(0xd, kPkru, &a, &b, &c, &d) != 0 && a >= sizeof(uint32_t)) pkru_offset = b;
#endif
}

void keep_interrupted(const void* context) {
  Interrupted& kept = t_interrupted;
  kept.has_mask = kept.has_stack = kept.has_modes = kept.has_keys = false;
  // A handler in front of ours that calls us without it keeps it all to itself.
  if (context == nullptr) return;
  const ucontext_t* frame = static_cast<const ucontext_t*>(context);
  kept.has_mask = true;
  memcpy(&kept.mask, &frame->uc_sigmask, sizeof(kept.mask));
  kept.has_stack = (static_cast<unsigned>(frame->uc_stack.ss_flags) & SS_AUTODISARM) != 0;
  kept.stack = frame->uc_stack;
  keep_registers(frame, &kept);
}

void restore_interrupted() {
  const Interrupted& kept = t_interrupted;
  restore_registers(kept);
  // Not before the jump, which left that stack.
  if (kept.has_stack) sigaltstack(&kept.stack, nullptr);
  if (!kept.has_mask) return;
  sigset_t mask;
  sigemptyset(&mask);
  memcpy(&mask, &kept.mask, sizeof(kept.mask));
  // Of this thread, on Linux; pthread_sigmask, the same function, would tie the binary to glibc 2.32.
  sigprocmask(SIG_SETMASK, &mask, nullptr);
}

}  // namespace pmem
