#include "files.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "arguments.h"
#include "cpu.h"
#include "errors.h"
#include "fault.h"

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif
#ifndef MAP_SYNC
#define MAP_SYNC 0x80000
#endif

namespace pmem {

namespace {

int descriptor(const Napi::CallbackInfo& info) { return static_cast<int>(integer_at(info, 0)); }

// Enough for every device; and how much goes at once.
constexpr size_t kDirectAlignment = 4096;
constexpr size_t kDirectPiece = 1 << 20;

off_t offset_at(const Napi::CallbackInfo& info, size_t index) { return static_cast<off_t>(integer_at(info, index)); }

}  // namespace

Napi::Value allocate(const Napi::CallbackInfo& info) {
  int result;
  do {
    result = fallocate(descriptor(info), FALLOC_FL_KEEP_SIZE, offset_at(info, 1), offset_at(info, 2));
  } while (result != 0 && errno == EINTR);
  if (result != 0) throw_errno(info.Env(), errno, "fallocate");
  return info.Env().Undefined();
}

Napi::Value page_size(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(sysconf(_SC_PAGESIZE)));
}

Napi::Value guard_signals(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), guard_signals()); }

Napi::Value describe_cpu(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Cpu& found = cpu();
  Napi::Object result = Napi::Object::New(env);
  result.Set("flush", name_of(found.flush));
  result.Set("copy", name_of(found.copy));
  result.Set("crc32c", found.crc32 ? "instruction" : "table");
  result.Set("cacheLine", Napi::Number::New(env, static_cast<double>(found.cache_line)));
  result.Set("streamingThreshold", Napi::Number::New(env, static_cast<double>(found.streaming_threshold)));
  result.Set("refused", found.refused == nullptr ? env.Null() : Napi::Value(Napi::String::New(env, found.refused)));
  return result;
}

Napi::Value loop_file(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  struct loop_info64 status = {};
  Napi::Array result = Napi::Array::New(env);
  if (ioctl(descriptor(info), LOOP_GET_STATUS64, &status) != 0) return result;
  uint32_t i = 0;
  for (const uint64_t value : {status.lo_device, status.lo_inode, status.lo_rdevice}) {
    result.Set(i++, Napi::BigInt::New(env, value));
  }
  return result;
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
  const int error = end > source.ByteLength() ? EINVAL : posix_memalign(&aligned, kDirectAlignment, kDirectPiece);
  if (error != 0) {
    throw_errno(env, error, "pwrite");
    return env.Undefined();
  }
  while (begin < end) {
    const size_t length = std::min(end - begin, kDirectPiece);
    memcpy(aligned, source.Data() + begin, length);
    const ssize_t written = pwrite(descriptor(info), aligned, length, offset);
    if (written < 0 && errno == EINTR) continue;
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

}  // namespace pmem
