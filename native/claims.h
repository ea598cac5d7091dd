// Who in this process works on bytes of a file in a way that others must not work on them at the same time. Unlike a
// range lock a claim tells threads, and regions that were opened twice, apart.
#ifndef PMEM_CLAIMS_H_
#define PMEM_CLAIMS_H_

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "range_lock.h"

namespace pmem {

// The file behind a descriptor, whatever path it was opened by. Devices are what their number says, not their node.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;  // 0 for devices
  bool is_device = false;

  bool operator==(const FileIdentity& other) const {
    return device == other.device && inode == other.inode && is_device == other.is_device;
  }
};

// Returns 0 or an errno.
int identify_file(int fd, FileIdentity* identity);

using ClaimId = uint64_t;  // never 0

enum class ClaimKind { kShared, kExclusive };

// Claims ranges of the file, all or none, for a handle of an environment. Returns 0 where a claim of the other kind, or
// an exclusive one, is in the way, which is then in *obstacle.
ClaimId claim(const FileIdentity& file, const std::vector<ByteRange>& ranges, ClaimKind kind, const void* environment,
              double handle, ClaimKind* obstacle);

// Ends a claim; one that ended before is left alone.
void end_claim(ClaimId id);

// A handle that is closed stores nothing any more: ends what was claimed through it.
void end_claims_of(const void* environment, double handle);

// The same of all handles of an environment that ends.
void end_claims_of(const void* environment);

}  // namespace pmem

#endif  // PMEM_CLAIMS_H_
