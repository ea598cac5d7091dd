// Calls that open and close mappings. Contracts: lib/binding.ts.
#ifndef PMEM_NODE_HANDLES_H_
#define PMEM_NODE_HANDLES_H_

#include <napi.h>

namespace pmem {

class Context;
class HeldLock;
class Mapping;

Context* context_of(Napi::Env env);

// The object that `map` returns. Takes over one reference and one handle, and the lock where it is not null. On failure
// an exception is pending, the mapping is closed and the lock is as it was.
Napi::Value opened(Napi::Env env, Mapping* mapping, HeldLock* lock = nullptr);

Napi::Value map(const Napi::CallbackInfo& info);
Napi::Value set_granularity(const Napi::CallbackInfo& info);
Napi::Value identify(const Napi::CallbackInfo& info);
Napi::Value attach(const Napi::CallbackInfo& info);
Napi::Value close(const Napi::CallbackInfo& info);
Napi::Value sync_all(const Napi::CallbackInfo& info);

}  // namespace pmem

#endif  // PMEM_NODE_HANDLES_H_
