// Who in this process works on bytes of a file in a way that others must not work on them at the same time. Unlike a
// range lock a claim tells threads, and regions that were opened twice, apart.
#ifndef PMEM_MAPPING_CLAIMS_H_
#define PMEM_MAPPING_CLAIMS_H_

#include <cstdint>
#include <vector>

#include "system/file_identity.h"
#include "system/range_lock.h"

namespace pmem {

using ClaimId = uint64_t;  // never 0

enum class ClaimKind { kShared, kExclusive };

// Bytes of a mapping, which is told by its identity.
struct MappedBytes {
  uint64_t mapping;
  size_t begin;
  size_t end;
};

// Who claims, and by what.
struct Claimant {
  const void* environment;
  double handle;
  MappedBytes bytes;
};

// Claims ranges of the file, all or none. Returns 0 where a claim of the other kind, or an exclusive one, is in the
// way, which is then in *obstacle.
ClaimId claim(const FileIdentity& file, const std::vector<ByteRange>& ranges, ClaimKind kind, const Claimant& claimant,
              ClaimKind* obstacle);

// Ends a claim; one that ended before is left alone.
void end_claim(ClaimId id);

// The same of one that nobody ended: what its holder left under way in these bytes on other threads ends first. So it
// does when a handle is closed, which stores nothing any more but by such jobs, and when an environment ends.
void abandon_claim(ClaimId id);
void abandon_claims_of(const void* environment, double handle);
void abandon_claims_of(const void* environment);

// Jobs on other threads, and the bytes that they may store into.
void begin_job_in(const MappedBytes& bytes);
void end_job_in(const MappedBytes& bytes);

}  // namespace pmem

#endif  // PMEM_MAPPING_CLAIMS_H_
