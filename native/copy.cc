#include "copy.h"

#include <cstring>

#include "cpu.h"

namespace pmem {

const Kernels kernels = choose_kernels();

namespace {

const size_t streaming_threshold = cpu().streaming_threshold;

}  // namespace

void copy_and_flush(uint8_t* target, const uint8_t* source, size_t length) {
  const bool overlap = target < source + length && source < target + length;
  if (length >= streaming_threshold && !overlap) {
    kernels.stream_copy(target, source, length);
    return;
  }
  memmove(target, source, length);
  kernels.flush(target, length);
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
