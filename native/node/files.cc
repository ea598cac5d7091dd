#include "node/files.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "node/arguments.h"
#include "node/errors.h"
#include "system/uninterrupted.h"

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif
#ifndef MAP_SYNC
#define MAP_SYNC 0x80000
#endif

#ifndef F_GET_SEALS
#define F_GET_SEALS 1034
#endif

namespace pmem {

namespace {

int descriptor(const Napi::CallbackInfo& info) { return static_cast<int>(integer_at(info, 0)); }

// Alignment that suffices for every device, and bytes per call.
constexpr size_t kDirectAlignment = 4096;
constexpr size_t kDirectChunk = 1 << 20;

// linux/fs.h, RENAME_NOREPLACE; glibc has the call from 2.28 on.
constexpr unsigned kRenameNoReplace = 1;

off_t offset_at(const Napi::CallbackInfo& info, size_t index) { return static_cast<off_t>(integer_at(info, index)); }

// ioctl_xfs_fsgeometry(2): the first version of the structure, which every kernel knows.
struct XfsGeometry {
  uint32_t sizes[8];
  uint64_t counts[4];
  unsigned char uuid[16];
  uint32_t sunit;
  uint32_t swidth;
  int32_t version;
  uint32_t flags;
  uint32_t others[3];
};
static_assert(sizeof(XfsGeometry) == 112);
constexpr uint32_t kXfsReflink = 1u << 20;

// Chunks of this size are allocated with signals held back.
constexpr off_t kLeastChunk = 64 << 10;

// Tries all at once. When a signal interrupts it, tmpfs frees what it allocated (before Linux 6.9), so the next chunk
// is half as large; after a success it is twice as large. Each failure but the first few follows a success, so there
// are at most some two calls for each least chunk.
int allocate_range(int fd, int mode, off_t offset, off_t length) {
  for (off_t chunk = length; length > 0;) {
    const off_t now = std::min(chunk, length);
    const auto call = [=] { return fallocate(fd, mode, offset, now); };
    if ((now <= kLeastChunk ? uninterrupted(call) : call()) == 0) {
      offset += now;
      length -= now;
      chunk = now < length / 2 ? 2 * now : length;
    } else if (errno == EINTR && now > kLeastChunk) {
      chunk = std::max(kLeastChunk, now / 2 / kLeastChunk * kLeastChunk);
    } else {
      return errno;
    }
  }
  return 0;
}

// A path, or empty if the argument is no string. The room is more than the kernel accepts.
std::string path_at(const Napi::CallbackInfo& info, size_t index) {
  char text[8192];
  size_t length = 0;
  const napi_value value = info[index];
  if (napi_get_value_string_utf8(info.Env(), value, text, sizeof(text), &length) != napi_ok) return {};
  return std::string(text, length);
}

}  // namespace

Napi::Value allocate(const Napi::CallbackInfo& info) {
  const int mode = flag_at(info, 3) ? 0 : FALLOC_FL_KEEP_SIZE;
  const int error = allocate_range(descriptor(info), mode, offset_at(info, 1), offset_at(info, 2));
  if (error != 0) throw_errno(info.Env(), error, "fallocate");
  return info.Env().Undefined();
}

Napi::Value link_file(const Napi::CallbackInfo& info) {
  const std::string path = path_at(info, 1);
  char source[32];
  snprintf(source, sizeof(source), "/proc/self/fd/%d", descriptor(info));
  const int result = uninterrupted([&] { return linkat(AT_FDCWD, source, AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW); });
  if (result != 0) throw_errno(info.Env(), errno, "linkat");
  return info.Env().Undefined();
}

Napi::Value rename_new(const Napi::CallbackInfo& info) {
  const std::string from = path_at(info, 0);
  const std::string to = path_at(info, 1);
  const long result = uninterrupted(
      [&] { return syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), kRenameNoReplace); });
  if (result != 0) throw_errno(info.Env(), errno, "renameat2");
  return info.Env().Undefined();
}

Napi::Value probe_sync(const Napi::CallbackInfo& info) {
  const size_t length = static_cast<size_t>(offset_at(info, 2));
  void* address =
      mmap(nullptr, length, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, descriptor(info), offset_at(info, 1));
  const int error = address == MAP_FAILED ? errno : 0;
  if (address != MAP_FAILED) munmap(address, length);
  return Napi::Number::New(info.Env(), error);
}

Napi::Value write_direct(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  off_t offset = offset_at(info, 1);
  const Napi::Uint8Array source = info[2].As<Napi::Uint8Array>();
  size_t begin = static_cast<size_t>(offset_at(info, 3));
  const size_t end = begin + static_cast<size_t>(offset_at(info, 4));
  void* aligned = nullptr;
  const int error = end > source.ByteLength() ? EINVAL : posix_memalign(&aligned, kDirectAlignment, kDirectChunk);
  if (error != 0) {
    throw_errno(env, error, "pwrite");
    return env.Undefined();
  }
  while (begin < end) {
    const size_t length = std::min(end - begin, kDirectChunk);
    memcpy(aligned, source.Data() + begin, length);
    const ssize_t written = uninterrupted([&] { return pwrite(descriptor(info), aligned, length, offset); });
    if (written <= 0) {
      const int failure = written == 0 ? ENOSPC : errno;
      free(aligned);
      throw_errno(env, failure, "pwrite");
      return env.Undefined();
    }
    begin += static_cast<size_t>(written);
    offset += written;
  }
  free(aligned);
  return env.Undefined();
}

Napi::Value loop_file(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  loop_info64 found = {};
  if (ioctl(static_cast<int>(integer_at(info, 0)), LOOP_GET_STATUS64, &found) != 0) return env.Undefined();
  Napi::BigUint64Array result = Napi::BigUint64Array::New(env, 3, napi_biguint64_array);
  if (result.IsEmpty()) return env.Undefined();
  result[0] = found.lo_device;
  result[1] = found.lo_inode;
  result[2] = found.lo_rdevice;
  return result;
}

Napi::Value btrfs_id(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  btrfs_ioctl_fs_info_args found = {};
  if (ioctl(static_cast<int>(integer_at(info, 0)), BTRFS_IOC_FS_INFO, &found) != 0) return env.Undefined();
  char text[37];
  char* at = text;
  for (int i = 0; i < BTRFS_FSID_SIZE; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *at++ = '-';
    at += snprintf(at, 3, "%02x", found.fsid[i]);
  }
  return Napi::String::New(env, text, static_cast<size_t>(at - text));
}

Napi::Value xfs_reflink(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  XfsGeometry found = {};
  if (ioctl(static_cast<int>(integer_at(info, 0)), _IOR('X', 100, XfsGeometry), &found) != 0) return env.Undefined();
  return Napi::Boolean::New(env, (found.flags & kXfsReflink) != 0);
}

Napi::Value seals(const Napi::CallbackInfo& info) {
  const int found = fcntl(static_cast<int>(integer_at(info, 0)), F_GET_SEALS);
  return Napi::Number::New(info.Env(), found < 0 ? 0 : found);
}

}  // namespace pmem
