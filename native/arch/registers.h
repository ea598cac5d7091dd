// The registers in a signal's frame that sigreturn(2) restores and a jump does not. Implemented once per architecture.
#ifndef PMEM_ARCH_REGISTERS_H_
#define PMEM_ARCH_REGISTERS_H_

#include <ucontext.h>

#include "arch/arch.h"

namespace pmem {

// Asks the CPU where the frame has them. To be called once, before any handler runs.
void locate_registers();

// Async-signal-safe.
void save_registers(const ucontext_t& frame, Registers* saved);
void restore_registers(const Registers& saved);

}  // namespace pmem

#endif  // PMEM_ARCH_REGISTERS_H_
