#ifndef PMEM_FILES_H_
#define PMEM_FILES_H_

#include <napi.h>

namespace pmem {

// allocate(fd, offset, length): reserves the file's blocks. What is there stays, and so does the size. Throws ENOSPC
// when they are not to be had.
Napi::Value allocate(const Napi::CallbackInfo& info);

// pageSize(): bytes in a page of this kernel.
Napi::Value page_size(const Napi::CallbackInfo& info);

// guardSignals(): puts our handlers before those that were installed since the last mapping.
Napi::Value guard_signals(const Napi::CallbackInfo& info);

// cpu(): the paths chosen, as names, and the setting that was refused, or null.
Napi::Value describe_cpu(const Napi::CallbackInfo& info);

// probeSync(fd, offset, length): whether the kernel grants MAP_SYNC on this file, without keeping a mapping. 0 or an
// errno.
Napi::Value probe_sync(const Napi::CallbackInfo& info);

// writeDirect(fd, offset, source, begin, length): writes bytes of an array to a descriptor opened with O_DIRECT, from
// memory that is aligned as this demands.
Napi::Value write_direct(const Napi::CallbackInfo& info);

// loopFile(fd) -> [device, inode, number] of the file of a loop device (loop(4)), as stat(2) has them, the number only
// where that is a device itself; empty where the descriptor is no loop device's, or it has no file.
Napi::Value loop_file(const Napi::CallbackInfo& info);

}  // namespace pmem

#endif  // PMEM_FILES_H_
