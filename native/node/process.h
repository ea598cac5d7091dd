// Calls about this process and its CPU. Contracts: lib/binding.ts.
#ifndef PMEM_NODE_PROCESS_H_
#define PMEM_NODE_PROCESS_H_

#include <napi.h>

namespace pmem {

Napi::Value page_size(const Napi::CallbackInfo& info);
Napi::Value describe_cpu(const Napi::CallbackInfo& info);
Napi::Value is_privileged(const Napi::CallbackInfo& info);
Napi::Value say_once(const Napi::CallbackInfo& info);
Napi::Value thread_faults(const Napi::CallbackInfo& info);

}  // namespace pmem

#endif  // PMEM_NODE_PROCESS_H_
