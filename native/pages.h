// Pages: bringing them in, taking them out again, and asking the kernel about them.
#ifndef PMEM_PAGES_H_
#define PMEM_PAGES_H_

#include <napi.h>

#include "fault.h"

namespace pmem {

// Faults in every page that has a byte of the range, for storing where that is allowed; changes nothing in them. 0, a
// positive errno or kFault.
int populate_range(uint8_t* begin, size_t length, bool writable, Fault* fault);

// addressOf(handle): where the mapping begins; 0 for no such handle.
Napi::Value address_of(const Napi::CallbackInfo& info);

// populate(handle, offset, length, writable) -> what populate_range returned, or kClosed or kRange.
Napi::Value populate(const Napi::CallbackInfo& info);

// populateAsync(handle, offset, length, writable): the same on a thread of the pool; async.cc has it.
Napi::Value populate_async(const Napi::CallbackInfo& info);

// unpopulate(handle, offset, length) -> errno. Unmaps the pages, which stay what they are; the next touch faults.
Napi::Value unpopulate(const Napi::CallbackInfo& info);

// hugePages(address, length) -> bytes there that are mapped by pages of 2 MiB or more; -1: this kernel does not tell.
Napi::Value huge_pages(const Napi::CallbackInfo& info);

// probeAddress(address, length) -> errno of mapping something there; 0: the place was free a moment ago.
Napi::Value probe_address(const Napi::CallbackInfo& info);

// threadFaults(): page faults of this thread so far.
Napi::Value thread_faults(const Napi::CallbackInfo& info);

// seals(fd): fcntl(2), F_GET_SEALS; 0 where a file has none.
Napi::Value seals(const Napi::CallbackInfo& info);

}  // namespace pmem

#endif  // PMEM_PAGES_H_
