#include "pages.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>

#include "arguments.h"
#include "context.h"
#include "handles.h"
#include "interrupts.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef F_GET_SEALS
#define F_GET_SEALS 1034
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

int populate_range(uint8_t* begin, size_t length, bool writable, Fault* fault) {
  if (length == 0) return kOk;
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t before = reinterpret_cast<uintptr_t>(begin) & (page - 1);
  begin -= before;
  length = (before + length + page - 1) & ~(page - 1);
  // What is there already stays when it is interrupted, and costs little to pass again.
  const int advice = writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
  if (uninterrupted([=] { return madvise(begin, length, advice); }) == 0) return kOk;
  // EINVAL: kernels before 5.14, and memory without page structures. The others do not tell which page is gone or
  // corrupt.
  if (errno != EINVAL && errno != EFAULT && errno != EHWPOISON) return errno;
  const bool done = guarded(begin, nullptr, length, fault, [writable, page](uint8_t* memory, uint8_t*, size_t count) {
    for (size_t at = 0; at < count; at += page) {
      // Adds nothing, but for storing, and in one access: another thread's store is not lost.
      if (writable) {
        __atomic_fetch_or(memory + at, 0, __ATOMIC_RELAXED);
      } else {
        static_cast<void>(*const_cast<volatile uint8_t*>(memory + at));
      }
    }
  });
  return done ? kOk : kFault;
}

Napi::Value address_of(const Napi::CallbackInfo& info) {
  const Mapping* mapping = context_of(info.Env())->find(double_at(info, 0));
  const uintptr_t address = mapping == nullptr ? 0 : reinterpret_cast<uintptr_t>(mapping->base());
  return Napi::Number::New(info.Env(), static_cast<double>(address));
}

Napi::Value populate(const Napi::CallbackInfo& info) {
  Span span;
  Fault fault = {};
  int status = span_of(info, &span);
  if (status == kOk) status = populate_range(span.begin(), span.length, flag_at(info, 3), &fault);
  return Napi::Number::New(info.Env(), status);
}

Napi::Value unpopulate(const Napi::CallbackInfo& info) {
  Span span;
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

Napi::Value thread_faults(const Napi::CallbackInfo& info) {
  struct rusage usage;
  if (getrusage(RUSAGE_THREAD, &usage) != 0) return Napi::Number::New(info.Env(), -1);
  return Napi::Number::New(info.Env(), static_cast<double>(usage.ru_minflt + usage.ru_majflt));
}

Napi::Value seals(const Napi::CallbackInfo& info) {
  const int found = fcntl(static_cast<int>(integer_at(info, 0)), F_GET_SEALS);
  return Napi::Number::New(info.Env(), found < 0 ? 0 : found);
}

}  // namespace pmem
