// A load that the fault handler can end.
#ifndef PMEM_ARCH_CAN_LOAD_H_
#define PMEM_ARCH_CAN_LOAD_H_

#include <cstdint>

extern "C" {

// Loads the byte. False: the kernel has no page there. One instruction, so that nothing has to be saved before it: the
// fault handler knows its address and continues at pmem_load_failed.
bool pmem_can_load(const uint8_t* address);

extern const uint8_t pmem_load_may_fault[] __attribute__((visibility("hidden")));
extern const uint8_t pmem_load_failed[] __attribute__((visibility("hidden")));
}

#endif  // PMEM_ARCH_CAN_LOAD_H_
