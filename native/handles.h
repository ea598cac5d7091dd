#ifndef PMEM_HANDLES_H_
#define PMEM_HANDLES_H_

#include <napi.h>

namespace pmem {

class Context;

Context* context_of(Napi::Env env);

// map({ fd, offset, length, pageSize, alignment, mustAlign, writable, trySync, populate, readBack, lock })
// -> { handle, keeper, synchronous, size }
Napi::Value map(const Napi::CallbackInfo& info);

// setGranularity(handle, granularity): decides once, before the first store, what makes stores durable.
Napi::Value set_granularity(const Napi::CallbackInfo& info);

// identify(handle): the number by which other threads of the process attach.
Napi::Value identify(const Napi::CallbackInfo& info);

// attach(identity) -> the same as map, or undefined when every handle was closed.
Napi::Value attach(const Napi::CallbackInfo& info);

// close(handle): gives the handle back; the range is unmapped when the last Buffer on it is gone.
Napi::Value close(const Napi::CallbackInfo& info);

// syncAll(handle): msync of the whole mapping.
Napi::Value sync_all(const Napi::CallbackInfo& info);

// arrayBuffer(handle, offset, length) -> { buffer, view }: an ArrayBuffer on the memory itself.
Napi::Value array_buffer(const Napi::CallbackInfo& info);

// detach(buffer, view): every view on it has length 0 from now on, and it holds the mapping no longer.
Napi::Value detach(const Napi::CallbackInfo& info);

// moves(view): the ArrayBuffer's memory is about to move to another one.
Napi::Value moves(const Napi::CallbackInfo& info);

// claim(handle, offset, length, exclusive) -> an object that has the bytes claimed until it is collected, given to
// unclaim, the handle is closed, or its thread ends; or the obstacle, as a boolean: whether that is exclusive.
Napi::Value claim(const Napi::CallbackInfo& info);
Napi::Value unclaim(const Napi::CallbackInfo& info);

// lock(fd, begin, end, exclusive) -> lock; unlock(lock): for a lock that no mapping took over.
Napi::Value lock(const Napi::CallbackInfo& info);
Napi::Value unlock(const Napi::CallbackInfo& info);

}  // namespace pmem

#endif  // PMEM_HANDLES_H_
