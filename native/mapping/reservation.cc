#include "mapping/reservation.h"

#include <sys/mman.h>

#include <cerrno>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

namespace pmem {

namespace {

void* map_nothing(void* address, size_t length, int flags) {
  return mmap(address, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

}  // namespace

void* reserve(size_t length) { return map_nothing(nullptr, length, 0); }

void* reserve_at(uintptr_t address, size_t length) {
  void* wanted = reinterpret_cast<void*>(address);
  void* found = map_nothing(wanted, length, MAP_FIXED_NOREPLACE);
  if (found == wanted || found == MAP_FAILED) return found;
  munmap(found, length);  // kernels before 4.17 take the address for a hint
  errno = EEXIST;
  return MAP_FAILED;
}

void release(uint8_t* begin, size_t length, uint8_t* failed, size_t failed_length) {
  uint8_t* const end = begin + length;
  uint8_t* const failed_end = failed + failed_length;
  if (failed > begin) munmap(begin, static_cast<size_t>(failed - begin));
  if (end > failed_end) munmap(failed_end, static_cast<size_t>(end - failed_end));
  if (reserve_at(reinterpret_cast<uintptr_t>(failed), failed_length) != MAP_FAILED) munmap(failed, failed_length);
}

}  // namespace pmem
