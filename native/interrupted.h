// What the kernel gives back to interrupted code when its handler returns, for handlers that jump out instead.
#ifndef PMEM_INTERRUPTED_H_
#define PMEM_INTERRUPTED_H_

namespace pmem {

// Asks the CPU once where its registers are in a signal's frame. Before any handler runs.
void learn_frame();

// In the handler, before it jumps: takes note of this thread's state from the frame.
void keep_interrupted(const void* context);

// restore_interrupted(), after the jump, is in fault.h.

}  // namespace pmem

#endif  // PMEM_INTERRUPTED_H_
