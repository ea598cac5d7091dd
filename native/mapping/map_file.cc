#include "mapping/map_file.h"

#include <sys/mman.h>

#include <cerrno>

#include "mapping/reservation.h"

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif
#ifndef MAP_SYNC
#define MAP_SYNC 0x80000
#endif

namespace pmem {

namespace {

size_t round_up(size_t value, size_t unit) { return (value + unit - 1) & ~(unit - 1); }

// Whether the extents are what the request says, and can lie back to back.
bool fit(const MapRequest& request) {
  size_t sum = 0;
  const Extent* previous = nullptr;
  uintptr_t residue = static_cast<uintptr_t>(request.extents.front().offset) & (request.alignment - 1);
  for (const Extent& extent : request.extents) {
    const uintptr_t offset = static_cast<uintptr_t>(extent.offset);
    if (previous != nullptr && previous->length % request.page_size != 0) return false;
    if (extent.length == 0 || offset % request.page_size != 0 || sum + extent.length < sum) return false;
    // Page table entries as large as the alignment need addresses that are congruent to the offset.
    if (request.must_align && (offset & (request.alignment - 1)) != residue) return false;
    sum += extent.length;
    residue += extent.length;
    residue &= request.alignment - 1;
    previous = &extent;
  }
  return sum == request.length;
}

// Reserves addresses that are congruent to the offset modulo the alignment: only then can page table entries be as
// large as the alignment.
void* reserve_aligned(const MapRequest& request, size_t mapped) {
  const size_t span = mapped + request.alignment;
  void* found = span < mapped ? MAP_FAILED : reserve(span);
  if (found == MAP_FAILED) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  const uintptr_t residue = static_cast<uintptr_t>(request.extents.front().offset) & (request.alignment - 1);
  const uintptr_t begin = reinterpret_cast<uintptr_t>(found);
  const uintptr_t place = round_up(begin - residue, request.alignment) + residue;
  if (place > begin) munmap(found, place - begin);
  if (begin + span > place + mapped) munmap(reinterpret_cast<void*>(place + mapped), begin + span - place - mapped);
  return reinterpret_cast<void*>(place);
}

// Maps the extents over a reservation, so that MAP_FIXED replaces no mapping of another thread. Hints would not do:
// file systems map where they see fit, and MAP_FIXED_NOREPLACE cannot be combined with MAP_SYNC. Each extent is tried
// elsewhere before, so that what the kernel refuses by its rules leaves no trace.
void* map_over_reservation(const MapRequest& request, size_t mapped, int protection, int flags) {
  for (const Extent& extent : request.extents) {
    const size_t length = round_up(extent.length, request.page_size);
    // MAP_NORESERVE: huge pages that a shared mapping reserves stay reserved when it is unmapped.
    const int trying = (flags & ~MAP_POPULATE) | MAP_NORESERVE;
    void* tried = mmap(nullptr, length, protection, trying, request.fd, extent.offset);
    if (tried == MAP_FAILED) return MAP_FAILED;
    munmap(tried, length);
  }
  void* place = request.address == 0 ? reserve_aligned(request, mapped) : reserve_at(request.address, mapped);
  if (place == MAP_FAILED) return MAP_FAILED;
  uint8_t* at = static_cast<uint8_t*>(place);
  for (const Extent& extent : request.extents) {
    const size_t length = round_up(extent.length, request.page_size);
    if (mmap(at, length, protection, flags | MAP_FIXED, request.fd, extent.offset) == MAP_FAILED) {
      const int error = errno;
      release(static_cast<uint8_t*>(place), mapped, at, length);
      errno = error;
      return MAP_FAILED;
    }
    at += length;
  }
  return place;
}

void* map_with(const MapRequest& request, size_t mapped, int protection, int flags) {
  const off_t offset = request.extents.front().offset;
  const bool anywhere = request.address == 0 && request.extents.size() == 1 && !request.must_align;
  if (anywhere && request.alignment <= request.page_size) {
    return mmap(nullptr, mapped, protection, flags, request.fd, offset);
  }
  void* address = map_over_reservation(request, mapped, protection, flags);
  // Without room for the alignment: map without it.
  if (address == MAP_FAILED && errno == ENOMEM && anywhere) {
    return mmap(nullptr, mapped, protection, flags, request.fd, offset);
  }
  return address;
}

}  // namespace

size_t mapped_size(const MapRequest& request) {
  const size_t page = request.page_size;
  if (page == 0 || (page & (page - 1)) != 0 || request.alignment == 0) return 0;
  if (request.extents.empty() || request.length == 0 || !fit(request)) return 0;
  const size_t mapped = round_up(request.length, request.page_size);
  return mapped < request.length ? 0 : mapped;
}

void* map_file(const MapRequest& request, bool* synchronous) {
  const size_t mapped = mapped_size(request);
  const int protection = PROT_READ | (request.writable ? PROT_WRITE : 0);
  const int wanted = (request.populate ? MAP_POPULATE : 0) | (request.no_reserve ? MAP_NORESERVE : 0);
  *synchronous = false;
  if (request.try_sync) {
    void* address = map_with(request, mapped, protection, MAP_SHARED_VALIDATE | MAP_SYNC | wanted);
    *synchronous = address != MAP_FAILED;
    // Kernels before 4.15 answer EINVAL to MAP_SHARED_VALIDATE, later ones EOPNOTSUPP to MAP_SYNC without DAX.
    if (address != MAP_FAILED || (errno != EOPNOTSUPP && errno != EINVAL)) return address;
  }
  return map_with(request, mapped, protection, MAP_SHARED | wanted);
}

}  // namespace pmem
