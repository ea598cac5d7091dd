// Faults (SIGBUS, SIGSEGV) in mapped memory. In one of our own copies a fault becomes an error. Where JavaScript
// touches a Buffer, private memory replaces the page and the mapping is marked damaged: the process lives, and the next
// call fails.
#ifndef PMEM_GUARD_FAULT_H_
#define PMEM_GUARD_FAULT_H_

#include <csignal>
#include <cstddef>
#include <cstdint>

#include "guard/thread_state.h"

namespace pmem {

class Mapping;

// Installs the handlers in front of all others, and registers the mapping with them. It stays registered until nobody
// knows its addresses: a thread can meet a fault before the memory changes and come to its handler afterwards.
// Returns 0 or an errno.
int watch(Mapping* mapping);
void unwatch(Mapping* mapping);

struct Fault {
  int signal;
  int code;                // si_code
  const uint8_t* address;  // si_addr
};

// What the handler has to know of the copy that this thread is in.
struct GuardState {
  volatile sig_atomic_t armed;     // inside with_fault_guard()
  volatile sig_atomic_t flushing;  // inside a flush, whose caller looks for damage afterwards
  void* jump[5];                   // as __builtin_setjmp lays it out
  const uint8_t* memory;           // the mapped bytes
  const uint8_t* other;            // the array that they are copied from or to, or null
  size_t length;                   // of both
  Fault fault;
};

// A handler reads it, and must not call the allocator, which a lazily allocated thread-local would.
#if defined(__GLIBC__)
#define PMEM_THREAD_LOCAL __attribute__((tls_model("initial-exec"))) __thread
#else
#define PMEM_THREAD_LOCAL __thread
#endif
extern PMEM_THREAD_LOCAL GuardState guard_state;

// The fault that ended this thread's copy, at the first byte of the range that is gone. A copy may begin at its end, as
// suits the CPU and the alignment; callers must not see the difference.
Fault first_fault();

// A call of its own: where a compiler sees that inlined work calls nothing, it takes the code after the jump for
// unreachable.
template <typename Work>
__attribute__((noinline)) void call(uint8_t* memory, uint8_t* other, size_t length, Work work) {
  __asm__ volatile("" ::: "memory");
  work(memory, other, length);
}

// Calls work(memory, other, length), which may touch these bytes alone and must own nothing. False: a fault ended it.
// noinline: the compiler must not merge this frame, to which the handler jumps, with its caller's. All arguments fit
// into registers; single nanoseconds count beside the memory's own time.
template <typename Work>
__attribute__((noinline)) bool with_fault_guard(uint8_t* memory, uint8_t* other, size_t length, Fault* fault,
                                                Work work) {
  guard_state.memory = memory;
  guard_state.other = other;
  guard_state.length = length;
  // The handler is installed with SA_NODEFER, so no signal mask has to be saved. The builtin stores three words.
  if (__builtin_setjmp(guard_state.jump) != 0) {
    restore_thread_state();
    *fault = first_fault();
    return false;
  }
  guard_state.armed = 1;
  __asm__ volatile("" ::: "memory");
  call(memory, other, length, work);
  __asm__ volatile("" ::: "memory");
  guard_state.armed = 0;
  return true;
}

}  // namespace pmem

#endif  // PMEM_GUARD_FAULT_H_
