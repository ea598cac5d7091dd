#include "copy.h"

#include <cstring>

#include "cpu.h"

namespace pmem {

const Kernels kernels = choose_kernels();

namespace {

const size_t streaming_threshold = cpu().streaming_threshold;

// What the C library takes for lengths from here on, REP MOVSB, is as fast as anything, but for targets that begin less
// than a line behind the source, each within its page: there it takes twice the time. A large Buffer lies so (16 bytes,
// malloc's header) to every sector of 4 KiB.
constexpr size_t kLeastLoad = 1024;
constexpr size_t kMostLoad = 1 << 20;
constexpr uintptr_t kPage = 4096;
constexpr uintptr_t kClose = 64;

bool close_behind(const uint8_t* target, const uint8_t* source) {
  return ((reinterpret_cast<uintptr_t>(target) - reinterpret_cast<uintptr_t>(source)) & (kPage - 1)) - 1 < kClose - 1;
}

bool overlapping(const uint8_t* target, const uint8_t* source, size_t length) {
  return target < source + length && source < target + length;
}

}  // namespace

void copy_out(uint8_t* target, const uint8_t* source, size_t length) {
  const bool slow = length >= kLeastLoad && length <= kMostLoad && close_behind(target, source);
  if (slow && !overlapping(target, source, length)) {
    kernels.load(target, source, length);
    return;
  }
  memmove(target, source, length);
}

void copy_and_flush(uint8_t* target, const uint8_t* source, size_t length) {
  if (length >= streaming_threshold && !overlapping(target, source, length)) {
    kernels.stream_copy(target, source, length);
    return;
  }
  memmove(target, source, length);
  kernels.flush(target, length);
}

bool may_stream(size_t length) {
#if defined(__x86_64__)
  return length >= streaming_threshold;
#else
  static_cast<void>(length);  // arm64's kernels do not, and a release store comes after all stores before it
  return false;
#endif
}

void fill_and_flush(uint8_t* target, uint8_t byte, size_t length) {
  if (length >= streaming_threshold) {
    kernels.stream_fill(target, byte, length);
    return;
  }
  memset(target, byte, length);
  kernels.flush(target, length);
}

}  // namespace pmem
