// An addon that does nothing but stand in for qemu-user: up to version 8.0 that announces the instruction `dc cvap` and
// then does not have it. Nothing but that one instruction is skipped, after a load from its address, which faults as it
// would.
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <ucontext.h>

#define DC_CVAP 0xd50b7c20u  // SYS #3, C7, C12, #1, and the register in the lowest five bits

static void on_illegal(int signal, siginfo_t* info, void* context) {
  mcontext_t* machine = &((ucontext_t*)context)->uc_mcontext;
  const uint32_t instruction = *(const uint32_t*)(uintptr_t)machine->pc;
  if ((instruction & ~31u) != DC_CVAP) abort();
  const uint32_t number = instruction & 31;
  const uintptr_t address = number == 31 ? 0 : (uintptr_t)machine->regs[number];
  (void)*(const volatile uint8_t*)address;
  machine->pc += 4;
  (void)signal;
  (void)info;
}

void* napi_register_module_v1(void* env, void* exports) {
  struct sigaction action = {0};
  action.sa_sigaction = on_illegal;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;  // the load may fault, and whoever handles that may jump out of here
  sigaction(SIGILL, &action, NULL);
  (void)env;
  return exports;
}
