// Faults in mapped memory. Inside our own copies SIGBUS and SIGSEGV become an error; where JavaScript touches a Buffer
// the page is replaced by private memory and the mapping is marked damaged, so that the process lives and the next call
// tells.
#ifndef PMEM_FAULT_H_
#define PMEM_FAULT_H_

#include <csignal>
#include <cstddef>
#include <cstdint>

namespace pmem {

class Mapping;

// Installs the handlers if they are not there, in front of whatever is, and lets them know this mapping, until nobody
// knows its addresses any more: a fault that was met before the memory changed is handled after it. Returns 0 or an
// errno.
int watch(Mapping* mapping);
void unwatch(Mapping* mapping);

struct Fault {
  int signal;
  int code;                // si_code
  const uint8_t* address;  // si_addr
};

// What the handler needs to know of the copy that this thread is in.
struct GuardState {
  volatile sig_atomic_t armed;     // inside guarded()
  volatile sig_atomic_t flushing;  // inside a flush, whose caller looks for damage afterwards
  void* jump[5];                   // as __builtin_setjmp lays it out
  const uint8_t* memory;           // the mapped bytes
  const uint8_t* other;            // where they are copied from or to, or null
  size_t length;                   // of both
  Fault fault;
};

// The handler must reach this without calling the allocator, which a lazily allocated thread-local would.
#if defined(__GLIBC__)
#define PMEM_THREAD_LOCAL __attribute__((tls_model("initial-exec"))) __thread
#else
#define PMEM_THREAD_LOCAL __thread
#endif
extern PMEM_THREAD_LOCAL GuardState guard_state;

// Loads the byte. False: the kernel has no page there. For one instruction, so that nothing has to be saved for coming
// back: the handler knows it by its address, and lets it go on elsewhere.
extern "C" bool pmem_can_load(const uint8_t* address);

// After a jump out of the handler: what the kernel gives back when a handler returns.
void restore_interrupted();

// The fault that ended this thread's copy, at the first byte of the range that is gone. A copy may begin at its end, as
// suits the CPU and the alignment; what callers are told must not depend on that.
Fault first_fault();

// A call of its own: a compiler that sees work inlined and calling nothing takes the way back for unreachable.
template <typename Work>
__attribute__((noinline)) void perform(uint8_t* memory, uint8_t* other, size_t length, Work work) {
  __asm__ volatile("" ::: "memory");
  work(memory, other, length);
}

// Calls work(memory, other, length), which may only touch these bytes and must own nothing. False: a fault cut it
// short. noinline: the compiler must not merge this frame, which a jump returns to, with its caller's. Everything fits
// into registers: what a small durable write costs beyond the memory's own time is counted in single nanoseconds.
template <typename Work>
__attribute__((noinline)) bool guarded(uint8_t* memory, uint8_t* other, size_t length, Fault* fault, Work work) {
  guard_state.memory = memory;
  guard_state.other = other;
  guard_state.length = length;
  // The handler runs with SA_NODEFER, so no signal mask has to be saved; the builtin stores three words.
  if (__builtin_setjmp(guard_state.jump) != 0) {
    restore_interrupted();
    *fault = first_fault();
    return false;
  }
  guard_state.armed = 1;
  __asm__ volatile("" ::: "memory");
  perform(memory, other, length, work);
  __asm__ volatile("" ::: "memory");
  guard_state.armed = 0;
  return true;
}

}  // namespace pmem

#endif  // PMEM_FAULT_H_
