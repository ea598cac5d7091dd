// Reserved ranges of addresses. What is mapped over a reservation by MAP_FIXED replaces no mapping of another thread.
#ifndef PMEM_MAPPING_RESERVATION_H_
#define PMEM_MAPPING_RESERVATION_H_

#include <cstddef>
#include <cstdint>

namespace pmem {

// Reserves a range anywhere. Returns MAP_FAILED and errno on failure.
void* reserve(size_t length);

// Reserves this range. EEXIST: something is mapped there.
void* reserve_at(uintptr_t address, size_t length);

// Releases the reservation [begin, begin + length), over a part of which mmap has just failed. The kernel may have
// emptied that part before it failed, and another thread may have mapped something there since. So that part is
// released only where it is found empty; else its addresses stay reserved, which costs nothing.
void release(uint8_t* begin, size_t length, uint8_t* failed, size_t failed_length);

}  // namespace pmem

#endif  // PMEM_MAPPING_RESERVATION_H_
