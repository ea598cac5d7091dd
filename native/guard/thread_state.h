// What sigreturn(2) restores in the interrupted thread, for a handler that jumps out instead of returning.
#ifndef PMEM_GUARD_THREAD_STATE_H_
#define PMEM_GUARD_THREAD_STATE_H_

namespace pmem {

// In the handler, before it jumps: saves this thread's state from the signal's frame.
void save_thread_state(const void* context);

// After the jump.
void restore_thread_state();

}  // namespace pmem

#endif  // PMEM_GUARD_THREAD_STATE_H_
