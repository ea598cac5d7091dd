// The instructions that differ between architectures. A new architecture is a folder beside this file with the five
// files that x86_64/ has, a branch here, and a line in binding.gyp.
//
//   arch.h        fence, and the other inline pieces
//   features.cc   detect_features (arch/features.h)
//   kernels.cc    kernels_for     (arch/kernels.h)
//   can_load.cc   pmem_can_load   (arch/can_load.h)
//   registers.cc  Registers       (arch/registers.h)
#ifndef PMEM_ARCH_ARCH_H_
#define PMEM_ARCH_ARCH_H_

#if defined(__x86_64__)
#include "arch/x86_64/arch.h"
#elif defined(__aarch64__)
#include "arch/arm64/arch.h"
#else
#error "pmem knows how to make stores durable on x86-64 and arm64 only"
#endif

#endif  // PMEM_ARCH_ARCH_H_
