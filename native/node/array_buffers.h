// ArrayBuffers on mapped memory. Contracts: lib/binding.ts.
#ifndef PMEM_NODE_ARRAY_BUFFERS_H_
#define PMEM_NODE_ARRAY_BUFFERS_H_

#include <napi.h>

namespace pmem {

Napi::Value array_buffer(const Napi::CallbackInfo& info);
Napi::Value detach(const Napi::CallbackInfo& info);
Napi::Value moves(const Napi::CallbackInfo& info);
Napi::Value collected_list(const Napi::CallbackInfo& info);
Napi::Value take_collected(const Napi::CallbackInfo& info);
Napi::Value leave_collected(const Napi::CallbackInfo& info);

}  // namespace pmem

#endif  // PMEM_NODE_ARRAY_BUFFERS_H_
