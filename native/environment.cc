#include "environment.h"

#include <linux/btrfs.h>
#include <linux/loop.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "arguments.h"
#include "say.h"

namespace pmem {

namespace {

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

}  // namespace

const char* setting(const char* name) {
  if (getauxval(AT_SECURE) != 0) return nullptr;
  const char* value = getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

Napi::Value is_privileged(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), getauxval(AT_SECURE) != 0);
}

Napi::Value say_once(const Napi::CallbackInfo& info) {
  static std::atomic<bool> said(false);
  if (said.exchange(true)) return info.Env().Undefined();
  const std::string line = info[0].As<Napi::String>().Utf8Value() + "\n";
  say(line.data(), line.size());
  return info.Env().Undefined();
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

}  // namespace pmem
