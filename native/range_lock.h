// Advisory locks on byte ranges between processes (open-file-description locks, fcntl(2)). Within one process they do
// not exclude each other: worker threads may open the same range.
#ifndef PMEM_RANGE_LOCK_H_
#define PMEM_RANGE_LOCK_H_

#include <sys/types.h>

#include <cstdint>

namespace pmem {

using LockId = uint64_t;  // never 0

// Locks [begin, end) of the file behind fd for this process. Returns 0 or an errno; EAGAIN: another process holds it.
int lock_range(int fd, off_t begin, off_t end, bool exclusive, LockId* id);

// Gives the range back, as far as nobody else in this process holds it too.
void unlock_range(LockId id);

}  // namespace pmem

#endif  // PMEM_RANGE_LOCK_H_
