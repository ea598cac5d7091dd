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

// Installs the handlers if they are not there, in front of whatever is, and lets them know this mapping.
bool watch(Mapping* mapping);
void unwatch(Mapping* mapping);

struct Fault {
  int signal;
  int code;                // si_code
  const uint8_t* address;  // si_addr
};

struct GuardedRange {
  const uint8_t* begin;
  size_t length;
};

// What the handler needs to know of the copy that this thread is in.
struct GuardState {
  volatile sig_atomic_t armed;     // inside guarded()
  volatile sig_atomic_t flushing;  // inside a flush, whose caller looks for damage afterwards
  void* jump[5];                   // as __builtin_setjmp lays it out
  GuardedRange ranges[2];
  Fault fault;
};

GuardState& guard_state();

// Runs work, which may only copy or flush within the ranges and must own nothing. False: it was cut short by a fault.
// noinline: the compiler must not merge this frame, which a jump returns to, with its caller's.
template <typename Work>
__attribute__((noinline)) bool guarded(const GuardedRange& first, const GuardedRange& second, const Work& work,
                                       Fault* fault) {
  GuardState& state = guard_state();
  state.ranges[0] = first;
  state.ranges[1] = second;
  // The handler runs with SA_NODEFER, so no signal mask has to be saved; the builtin stores three words.
  if (__builtin_setjmp(state.jump) != 0) {
    *fault = guard_state().fault;
    return false;
  }
  state.armed = 1;
  __asm__ volatile("" ::: "memory");
  work();
  __asm__ volatile("" ::: "memory");
  state.armed = 0;
  return true;
}

}  // namespace pmem

#endif  // PMEM_FAULT_H_
