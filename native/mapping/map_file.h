// mmap of extents of a file, back to back in one range of addresses.
#ifndef PMEM_MAPPING_MAP_FILE_H_
#define PMEM_MAPPING_MAP_FILE_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pmem {

// Bytes of a file or device.
struct Extent {
  off_t offset;   // a multiple of page_size
  size_t length;  // likewise, except for the last extent
};

// lib/binding.ts says what each member means.
struct MapRequest {
  int fd;
  std::vector<Extent> extents;  // at least one
  size_t length;                // their sum
  size_t page_size;
  size_t alignment;
  bool must_align;
  uintptr_t address;
  bool writable;
  bool try_sync;
  bool populate;
  bool read_back;
  bool small_pages;
  bool dont_dump;
  bool no_reserve;
};

// Bytes of address space that the mapping takes: whole pages. 0 where the request makes no sense.
size_t mapped_size(const MapRequest& request);

// Returns the address, and whether MAP_SYNC was granted; MAP_FAILED and errno.
void* map_file(const MapRequest& request, bool* synchronous);

}  // namespace pmem

#endif  // PMEM_MAPPING_MAP_FILE_H_
