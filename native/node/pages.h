// Calls on the pages of mappings and on addresses. Contracts: lib/binding.ts.
#ifndef PMEM_NODE_PAGES_H_
#define PMEM_NODE_PAGES_H_

#include <napi.h>

namespace pmem {

Napi::Value address_of(const Napi::CallbackInfo& info);
Napi::Value populate(const Napi::CallbackInfo& info);
Napi::Value unpopulate(const Napi::CallbackInfo& info);
Napi::Value huge_pages(const Napi::CallbackInfo& info);
Napi::Value probe_address(const Napi::CallbackInfo& info);

}  // namespace pmem

#endif  // PMEM_NODE_PAGES_H_
