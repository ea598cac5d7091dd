// Operations on a thread of the pool. Contracts: lib/binding.ts.
#ifndef PMEM_NODE_ASYNC_H_
#define PMEM_NODE_ASYNC_H_

#include <napi.h>

namespace pmem {

Napi::Value write_async(const Napi::CallbackInfo& info);
Napi::Value read_async(const Napi::CallbackInfo& info);
Napi::Value fill_async(const Napi::CallbackInfo& info);
Napi::Value persist_async(const Napi::CallbackInfo& info);
Napi::Value populate_async(const Napi::CallbackInfo& info);

}  // namespace pmem

#endif  // PMEM_NODE_ASYNC_H_
