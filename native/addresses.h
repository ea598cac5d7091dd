// Ranges of addresses that are taken before anything is mapped there, so that MAP_FIXED hits nothing of another thread.
#ifndef PMEM_ADDRESSES_H_
#define PMEM_ADDRESSES_H_

#include <cstddef>
#include <cstdint>

namespace pmem {

// Takes addresses, for nothing yet; where the kernel likes, unless flags of mmap say otherwise. MAP_FAILED and errno.
void* take(void* address, size_t length, int flags);

// Takes the place that the caller says. EEXIST: something is there.
void* take_at(uintptr_t address, size_t length);

// Gives a place back in which a piece was refused. The kernel may have emptied its addresses before it refused, and
// another thread may have mapped something there since: only what is empty is known not to be that thread's. Else these
// addresses stay taken, which costs nothing.
void give_back(uint8_t* place, size_t mapped, uint8_t* piece, size_t length);

}  // namespace pmem

#endif  // PMEM_ADDRESSES_H_
