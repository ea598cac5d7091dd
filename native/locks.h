#ifndef PMEM_LOCKS_H_
#define PMEM_LOCKS_H_

#include <napi.h>

namespace pmem {

// Ranges are [begin, end, begin, end, ...]. What is refused throws EAGAIN (another process has it) or EBUSY (this one),
// with begin and end of what is held there.

// A lock is an object that is one user of it until it is given to map or unlock, is collected, or its thread ends.
// Given back, or moved into a mapping, it is no user of anything; whatever is done with it then is harmless.

// Of a block device, who stores claims all of it, too: what the kernel or another process has claimed is EBUSY, whose
// syscall is open.

// lock(fd, begin, end, exclusive, leavesClaim) -> lock; leavesClaim: without the claim.
Napi::Value lock(const Napi::CallbackInfo& info);

// lockAlone(fd, ranges) -> lock: nobody else, in this process neither.
Napi::Value lock_alone(const Napi::CallbackInfo& info);

// claimedDevices() -> [major, minor, major, minor, ...] of the block devices that this process has claimed.
Napi::Value claimed_devices(const Napi::CallbackInfo& info);

// changeLock(lock, ranges): other ranges from now on, or an error and the same as before.
Napi::Value change_lock(const Napi::CallbackInfo& info);

// retainLock(lock) -> another object that is a user of it; undefined when it was given back.
Napi::Value retain_lock(const Napi::CallbackInfo& info);

// lockUsers(lock) -> how many; 0 when it was given back.
Napi::Value lock_users(const Napi::CallbackInfo& info);

// unlock(lock): one user less.
Napi::Value unlock(const Napi::CallbackInfo& info);

// claim(handle, offset, length, exclusive) -> an object that has the bytes claimed until it is collected, given to
// unclaim, the handle is closed, or its thread ends; or the obstacle, as a boolean: whether that is exclusive.
Napi::Value claim(const Napi::CallbackInfo& info);
Napi::Value unclaim(const Napi::CallbackInfo& info);

}  // namespace pmem

#endif  // PMEM_LOCKS_H_
