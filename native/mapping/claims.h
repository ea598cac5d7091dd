// Claims on bytes of a file within this process. Unlike a range lock, a claim excludes other threads, and other handles
// of the same thread.
#ifndef PMEM_MAPPING_CLAIMS_H_
#define PMEM_MAPPING_CLAIMS_H_

#include <cstdint>
#include <vector>

#include "system/file_identity.h"
#include "system/range_lock.h"

namespace pmem {

using ClaimId = uint64_t;  // never 0

enum class ClaimKind { kShared, kExclusive };

// Bytes of the mapping with this identity.
struct MappedBytes {
  uint64_t mapping;
  size_t begin;
  size_t end;
};

// Who claims: a handle of an environment.
struct Claimant {
  const void* environment;
  double handle;
  MappedBytes bytes;
};

// Claims all of the ranges, or none. Returns 0 where another claim is in the way, with its kind in *obstacle: shared
// claims do not exclude each other.
ClaimId claim(const FileIdentity& file, const std::vector<ByteRange>& ranges, ClaimKind kind, const Claimant& claimant,
              ClaimKind* obstacle);

// Ends a claim. Does nothing if it ended before.
void end_claim(ClaimId id);

// Ends a claim whose holder did not, or closed the handle, or ended: as soon as no job is under way in its bytes.
void abandon_claim(ClaimId id);
void abandon_claims_of(const void* environment, double handle);
void abandon_claims_of(const void* environment);

// Jobs on other threads, with the bytes that they may store into.
void begin_job_in(const MappedBytes& bytes);
void end_job_in(const MappedBytes& bytes);

}  // namespace pmem

#endif  // PMEM_MAPPING_CLAIMS_H_
