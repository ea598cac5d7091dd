// Calls on open files. Contracts: lib/binding.ts.
#ifndef PMEM_NODE_FILES_H_
#define PMEM_NODE_FILES_H_

#include <napi.h>

namespace pmem {

Napi::Value allocate(const Napi::CallbackInfo& info);
Napi::Value link_file(const Napi::CallbackInfo& info);
Napi::Value rename_new(const Napi::CallbackInfo& info);
Napi::Value write_direct(const Napi::CallbackInfo& info);
Napi::Value probe_sync(const Napi::CallbackInfo& info);
Napi::Value loop_file(const Napi::CallbackInfo& info);
Napi::Value btrfs_id(const Napi::CallbackInfo& info);
Napi::Value xfs_reflink(const Napi::CallbackInfo& info);
Napi::Value seals(const Napi::CallbackInfo& info);

}  // namespace pmem

#endif  // PMEM_NODE_FILES_H_
