#include "files.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "arguments.h"
#include "cpu.h"
#include "errors.h"
#include "fault.h"
#include "interrupts.h"

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

// linux/fs.h, RENAME_NOREPLACE; glibc has the call from 2.28 on.
constexpr unsigned kRenameNoReplace = 1;

off_t offset_at(const Napi::CallbackInfo& info, size_t index) { return static_cast<off_t>(integer_at(info, index)); }

// Bytes that are allocated before the next signal is let through, where signals come faster than any more than that.
constexpr off_t kLeastPiece = 64 << 10;

// All at once. Where a signal interrupts it, tmpfs takes back what it has (before Linux 6.9), so the rest is asked for
// in halves of what did not succeed, and in doubles of what did. Each failure follows a success, but for the first few:
// there are no more calls than some two for each of the least pieces.
int allocate_range(int fd, int mode, off_t offset, off_t length) {
  for (off_t piece = length; length > 0;) {
    const off_t now = std::min(piece, length);
    const auto call = [=] { return fallocate(fd, mode, offset, now); };
    if ((now <= kLeastPiece ? uninterrupted(call) : call()) == 0) {
      offset += now;
      length -= now;
      piece = now < length / 2 ? 2 * now : length;
    } else if (errno == EINTR && now > kLeastPiece) {
      piece = std::max(kLeastPiece, now / 2 / kLeastPiece * kLeastPiece);
    } else {
      return errno;
    }
  }
  return 0;
}

// A path; empty where it is none, and where it is cut still longer than the kernel takes.
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

Napi::Value page_size(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(sysconf(_SC_PAGESIZE)));
}

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

}  // namespace pmem
