#include "store/populate.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "store/durable.h"
#include "system/uninterrupted.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

namespace pmem {

int populate_range(uint8_t* begin, size_t length, bool writable, Fault* fault) {
  if (length == 0) return kOk;
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t before = reinterpret_cast<uintptr_t>(begin) & (page - 1);
  begin -= before;
  length = (before + length + page - 1) & ~(page - 1);
  // Repeated when interrupted: passing pages that are there costs little.
  const int advice = writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
  if (uninterrupted([=] { return madvise(begin, length, advice); }) == 0) return kOk;
  // EINVAL: kernels before 5.14, and memory without page structures. The other two do not say which page is gone or
  // corrupt. So the pages are touched.
  if (errno != EINVAL && errno != EFAULT && errno != EHWPOISON) return errno;
  const bool done =
      with_fault_guard(begin, nullptr, length, fault, [writable, page](uint8_t* memory, uint8_t*, size_t count) {
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

}  // namespace pmem
