// Ordinary memory of a given NUMA node, and where pages really are. The system calls are made directly: nothing more
// than libc is linked.
#ifndef PMEM_NUMA_H_
#define PMEM_NUMA_H_

#include <napi.h>

namespace pmem {

// mapNode({ length, pageSize, alignment, hugePages, node, populate, later }) -> { handle, keeper, synchronous, size }
Napi::Value map_node(const Napi::CallbackInfo& info);

// bindNode(handle, offset, length, node): of memory that was mapped to be populated later, what is populated by now.
Napi::Value bind_node(const Napi::CallbackInfo& info);

// pagesByNode(handle, offset, length, bytes): pairs of node and count of pages; node -1: not touched yet.
Napi::Value pages_by_node(const Napi::CallbackInfo& info);

}  // namespace pmem

#endif  // PMEM_NUMA_H_
