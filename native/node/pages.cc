#include "node/pages.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "node/arguments.h"
#include "node/context.h"
#include "node/handles.h"
#include "store/populate.h"
#include "system/uninterrupted.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

namespace pmem {

namespace {

// Documentation/admin-guide/mm/pagemap.rst, PAGEMAP_SCAN (Linux 6.7).
struct ScanRequest {
  uint64_t size;
  uint64_t flags;
  uint64_t start;
  uint64_t end;
  uint64_t walk_end;
  uint64_t vec;
  uint64_t vec_len;
  uint64_t max_pages;
  uint64_t category_inverted;
  uint64_t category_mask;
  uint64_t category_anyof_mask;
  uint64_t return_mask;
};

struct ScannedRange {
  uint64_t start;
  uint64_t end;
  uint64_t categories;
};

constexpr uint64_t kPresent = 1 << 3;
constexpr uint64_t kHuge = 1 << 6;
constexpr unsigned long kScan = _IOWR('f', 16, ScanRequest);

double scan_huge(uint64_t address, uint64_t length) {
  const int fd = uninterrupted([] { return open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC); });
  if (fd < 0) return -1;
  double bytes = 0;
  ScannedRange found[64];
  for (uint64_t at = address; at < address + length;) {
    ScanRequest request = {};
    request.size = sizeof(request);
    request.start = at;
    request.end = address + length;
    request.vec = reinterpret_cast<uint64_t>(found);
    request.vec_len = sizeof(found) / sizeof(found[0]);
    request.category_mask = kPresent | kHuge;
    request.return_mask = kHuge;
    const int count = uninterrupted([&] { return ioctl(fd, kScan, &request); });
    if (count < 0 || request.walk_end <= at) {
      bytes = -1;
      break;
    }
    for (int i = 0; i < count; i++) bytes += static_cast<double>(found[i].end - found[i].start);
    at = request.walk_end;
  }
  ::close(fd);
  return bytes;
}

// The range that handle, offset and length name: kOk, kClosed or kRange.
int span_of(const Napi::CallbackInfo& info, Span* span) {
  span->mapping = context_of(info.Env())->find(double_at(info, 0));
  if (span->mapping == nullptr) return kClosed;
  span->offset = size_at(info, 1);
  span->length = size_at(info, 2);
  const size_t size = span->mapping->length();
  return span->offset <= size && span->length <= size - span->offset ? kOk : kRange;
}

}  // namespace

Napi::Value address_of(const Napi::CallbackInfo& info) {
  const Mapping* mapping = context_of(info.Env())->find(double_at(info, 0));
  const uintptr_t address = mapping == nullptr ? 0 : reinterpret_cast<uintptr_t>(mapping->base());
  return Napi::Number::New(info.Env(), static_cast<double>(address));
}

Napi::Value populate(const Napi::CallbackInfo& info) {
  Span span = {};
  Fault fault = {};
  int status = span_of(info, &span);
  if (status == kOk) status = populate_range(span.begin(), span.length, flag_at(info, 3), &fault);
  return Napi::Number::New(info.Env(), status);
}

Napi::Value unpopulate(const Napi::CallbackInfo& info) {
  Span span = {};
  int status = span_of(info, &span);
  if (status == kOk && madvise(span.begin(), span.length, MADV_DONTNEED) != 0) status = errno;
  return Napi::Number::New(info.Env(), status);
}

Napi::Value huge_pages(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), scan_huge(size_at(info, 0), size_at(info, 1)));
}

Napi::Value probe_address(const Napi::CallbackInfo& info) {
  void* wanted = reinterpret_cast<void*>(size_at(info, 0));
  const size_t length = size_at(info, 1);
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  void* found = mmap(wanted, length, PROT_NONE, flags, -1, 0);
  // Kernels before 4.17 take the address for a hint.
  const int error = found == MAP_FAILED ? errno : found == wanted ? 0 : EEXIST;
  if (found != MAP_FAILED) munmap(found, length);
  return Napi::Number::New(info.Env(), error);
}

}  // namespace pmem
