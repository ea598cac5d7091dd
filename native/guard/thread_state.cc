// sigreturn(2) restores all of these, a jump none. Code may rely on them across a call:
//
//   signal mask      ours blocks nothing, but a handler in front of ours may
//   alternate stack  SS_AUTODISARM removes it until sigreturn
//   registers        beyond those that __builtin_setjmp saves: arch/*/registers.cc
#include "guard/thread_state.h"

#include <signal.h>
#include <ucontext.h>

#include <cstdint>
#include <cstring>

#include "arch/registers.h"
#include "guard/fault.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

namespace pmem {

namespace {

struct ThreadState {
  bool has_mask;
  bool has_stack;
  uint64_t mask;  // as the kernel has it
  stack_t stack;
  bool has_registers;
  Registers registers;
};

PMEM_THREAD_LOCAL ThreadState t_state;

}  // namespace

void save_thread_state(const void* context) {
  ThreadState& state = t_state;
  state.has_mask = state.has_stack = state.has_registers = false;
  // A handler in front of ours that calls us without the context keeps all of it to itself.
  if (context == nullptr) return;
  const ucontext_t& frame = *static_cast<const ucontext_t*>(context);
  state.has_mask = true;
  memcpy(&state.mask, &frame.uc_sigmask, sizeof(state.mask));
  state.has_stack = (static_cast<unsigned>(frame.uc_stack.ss_flags) & SS_AUTODISARM) != 0;
  state.stack = frame.uc_stack;
  state.has_registers = true;
  save_registers(frame, &state.registers);
}

void restore_thread_state() {
  const ThreadState& state = t_state;
  if (state.has_registers) restore_registers(state.registers);
  // Only after the jump, which left that stack.
  if (state.has_stack) sigaltstack(&state.stack, nullptr);
  if (!state.has_mask) return;
  sigset_t mask;
  sigemptyset(&mask);
  memcpy(&mask, &state.mask, sizeof(state.mask));
  // sigprocmask changes this thread's mask on Linux. pthread_sigmask does the same and would need glibc 2.32.
  sigprocmask(SIG_SETMASK, &mask, nullptr);
}

}  // namespace pmem
