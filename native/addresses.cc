#include "addresses.h"

#include <sys/mman.h>

#include <cerrno>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

namespace pmem {

void* take(void* address, size_t length, int flags) {
  return mmap(address, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

void* take_at(uintptr_t address, size_t length) {
  void* wanted = reinterpret_cast<void*>(address);
  void* found = take(wanted, length, MAP_FIXED_NOREPLACE);
  if (found == wanted || found == MAP_FAILED) return found;
  munmap(found, length);  // kernels before 4.17 take the address for a hint
  errno = EEXIST;
  return MAP_FAILED;
}

void give_back(uint8_t* place, size_t mapped, uint8_t* piece, size_t length) {
  if (piece > place) munmap(place, static_cast<size_t>(piece - place));
  if (place + mapped > piece + length) munmap(piece + length, static_cast<size_t>(place + mapped - piece - length));
  if (take_at(reinterpret_cast<uintptr_t>(piece), length) != MAP_FAILED) munmap(piece, length);
}

}  // namespace pmem
