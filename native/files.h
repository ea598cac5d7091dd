#ifndef PMEM_FILES_H_
#define PMEM_FILES_H_

#include <napi.h>

namespace pmem {

// allocate(fd, offset, length, grows): reserves the file's blocks. What is there stays, and so does the size, unless it
// may grow, up to the end of the range. Throws ENOSPC when the disk has too few. Ends however many signals come.
Napi::Value allocate(const Napi::CallbackInfo& info);

// link(fd, path): gives a file that was opened without a name (O_TMPFILE) one. Needs /proc.
Napi::Value link_file(const Napi::CallbackInfo& info);

// renameNew(from, to): throws EEXIST where something is there, and EINVAL where the file system cannot tell at once.
Napi::Value rename_new(const Napi::CallbackInfo& info);

// pageSize(): bytes in a page of this kernel.
Napi::Value page_size(const Napi::CallbackInfo& info);

// cpu(): the paths chosen, as names, and the setting that was refused, or null.
Napi::Value describe_cpu(const Napi::CallbackInfo& info);

// probeSync(fd, offset, length): whether the kernel grants MAP_SYNC on this file, without keeping a mapping. 0 or an
// errno.
Napi::Value probe_sync(const Napi::CallbackInfo& info);

// writeDirect(fd, offset, source, begin, length): writes bytes of an array to a descriptor opened with O_DIRECT, from
// memory that is aligned as this demands.
Napi::Value write_direct(const Napi::CallbackInfo& info);

}  // namespace pmem

#endif  // PMEM_FILES_H_
