#ifndef PMEM_ASYNC_H_
#define PMEM_ASYNC_H_

#include <napi.h>

namespace pmem {

// Each runs on a thread of the pool and returns a promise of { status, signal, code, offset } as the mailbox has them.
// The Uint8Array is kept from collection until then; its memory must not be detached meanwhile.
Napi::Value write_async(const Napi::CallbackInfo& info);    // (handle, offset, source, completion)
Napi::Value read_async(const Napi::CallbackInfo& info);     // (handle, offset, target)
Napi::Value fill_async(const Napi::CallbackInfo& info);     // (handle, offset, length, byte, completion)
Napi::Value persist_async(const Napi::CallbackInfo& info);  // (handle, offset, length)

}  // namespace pmem

#endif  // PMEM_ASYNC_H_
