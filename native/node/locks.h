// Calls on locks and claims. Contracts: lib/binding.ts.
#ifndef PMEM_NODE_LOCKS_H_
#define PMEM_NODE_LOCKS_H_

#include <napi.h>

namespace pmem {

Napi::Value lock(const Napi::CallbackInfo& info);
Napi::Value lock_alone(const Napi::CallbackInfo& info);
Napi::Value claimed_devices(const Napi::CallbackInfo& info);
Napi::Value change_lock(const Napi::CallbackInfo& info);
Napi::Value retain_lock(const Napi::CallbackInfo& info);
Napi::Value lock_users(const Napi::CallbackInfo& info);
Napi::Value unlock(const Napi::CallbackInfo& info);
Napi::Value claim(const Napi::CallbackInfo& info);
Napi::Value unclaim(const Napi::CallbackInfo& info);

}  // namespace pmem

#endif  // PMEM_NODE_LOCKS_H_
