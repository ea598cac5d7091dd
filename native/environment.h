// Switches in the environment, and what the kernel tells of files and loop devices by ioctl.
#ifndef PMEM_ENVIRONMENT_H_
#define PMEM_ENVIRONMENT_H_

#include <napi.h>

namespace pmem {

// The value of a variable, or null: not set, empty, or this process has rights that whoever started it lacks
// (AT_SECURE).
const char* setting(const char* name);

// isPrivileged(): whether the process has such rights: setuid, setgid, file capabilities.
Napi::Value is_privileged(const Napi::CallbackInfo& info);

// sayOnce(line): writes the line to stderr, once per process whatever thread asks. Never waits: what cannot be written
// at once is dropped.
Napi::Value say_once(const Napi::CallbackInfo& info);

// loopFile(fd): device number, inode and, of a device node, the number it stands for, of the file behind a loop device,
// as a BigUint64Array of three; undefined where the kernel does not tell.
Napi::Value loop_file(const Napi::CallbackInfo& info);

// btrfsId(fd): the UUID of the btrfs that the file is on, as sysfs writes it; undefined on another file system.
Napi::Value btrfs_id(const Napi::CallbackInfo& info);

// xfsReflink(fd): whether files of the xfs that the file is on can share blocks; undefined on another file system.
Napi::Value xfs_reflink(const Napi::CallbackInfo& info);

}  // namespace pmem

#endif  // PMEM_ENVIRONMENT_H_
