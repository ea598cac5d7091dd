#ifndef PMEM_LOCKS_H_
#define PMEM_LOCKS_H_

#include <napi.h>

namespace pmem {

// Ranges are [begin, end, begin, end, ...]. What is refused throws EAGAIN (another process has it) or EBUSY (this one),
// with begin and end of what is held there.

// lock(fd, begin, end, exclusive) -> lock
Napi::Value lock(const Napi::CallbackInfo& info);

// lockAlone(fd, ranges) -> lock: nobody else, in this process neither.
Napi::Value lock_alone(const Napi::CallbackInfo& info);

// changeLock(lock, ranges): other ranges from now on, or an error and the same as before.
Napi::Value change_lock(const Napi::CallbackInfo& info);

// retainLock(lock): one more user; false when the lock is gone. lockUsers(lock) -> how many.
Napi::Value retain_lock(const Napi::CallbackInfo& info);
Napi::Value lock_users(const Napi::CallbackInfo& info);

// keepLock(lock) -> an object that takes the caller's place as a user until it is collected, or its thread ends, or
// dropLock(object).
Napi::Value keep_lock(const Napi::CallbackInfo& info);
Napi::Value drop_lock(const Napi::CallbackInfo& info);

// unlock(lock): one user less.
Napi::Value unlock(const Napi::CallbackInfo& info);

// claim(handle, offset, length, exclusive) -> an object that has the bytes claimed until it is collected, given to
// unclaim, the handle is closed, or its thread ends; or the obstacle, as a boolean: whether that is exclusive.
Napi::Value claim(const Napi::CallbackInfo& info);
Napi::Value unclaim(const Napi::CallbackInfo& info);

}  // namespace pmem

#endif  // PMEM_LOCKS_H_
