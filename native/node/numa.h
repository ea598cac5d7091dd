// Ordinary memory of a NUMA node. System calls are made directly: nothing but libc is linked. Contracts:
// lib/binding.ts.
#ifndef PMEM_NODE_NUMA_H_
#define PMEM_NODE_NUMA_H_

#include <napi.h>

namespace pmem {

Napi::Value map_node(const Napi::CallbackInfo& info);
Napi::Value bind_node(const Napi::CallbackInfo& info);
Napi::Value pages_by_node(const Napi::CallbackInfo& info);

}  // namespace pmem

#endif  // PMEM_NODE_NUMA_H_
