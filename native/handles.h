#ifndef PMEM_HANDLES_H_
#define PMEM_HANDLES_H_

#include <napi.h>

namespace pmem {

class Context;
class HeldLock;
class Mapping;

Context* context_of(Napi::Env env);

// What map returns of a mapping; takes over one reference and one handle, and the lock if that is not null. Where it
// fails the mapping is gone, and the lock as it was.
Napi::Value opened(Napi::Env env, Mapping* mapping, HeldLock* lock = nullptr);

// map({ fd, offset, length, pageSize, alignment, mustAlign, writable, trySync, populate, readBack, lock?,
// address, smallPages, noReserve?, extents? })
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

// arrayBuffer(handle, offset, length, pieces, inWorker) -> { buffer, view }: an ArrayBuffer on the memory itself. With
// pieces, its offset is noted there once nobody knows the addresses any more. What another thread got of a worker's
// stays when the worker ends.
Napi::Value array_buffer(const Napi::CallbackInfo& info);

// pieces(): where arrayBuffer notes what was given back by garbage collection.
Napi::Value pieces(const Napi::CallbackInfo& info);

// takePieces(pieces): the offsets noted since the last call, or undefined.
Napi::Value take_pieces(const Napi::CallbackInfo& info);

// keepPiece(view): it was given back by hand, and is not to be noted any more.
Napi::Value keep_piece(const Napi::CallbackInfo& info);

// detach(buffer, view): every view on it has length 0 from now on, and it holds the mapping no longer.
Napi::Value detach(const Napi::CallbackInfo& info);

// moves(view): the ArrayBuffer's memory is about to move to another one.
Napi::Value moves(const Napi::CallbackInfo& info);

}  // namespace pmem

#endif  // PMEM_HANDLES_H_
