#include "mapping/claims.h"

#include <algorithm>
#include <mutex>

namespace pmem {

namespace {

struct Claim {
  ClaimId id;
  FileIdentity file;
  std::vector<ByteRange> ranges;
  ClaimKind kind;
  Claimant claimant;
  bool abandoned;
};

std::mutex claims_mutex;
std::vector<Claim> claims;
std::vector<MappedBytes> jobs;
ClaimId last_claim = 0;

bool overlap(const std::vector<ByteRange>& some, const std::vector<ByteRange>& others) {
  return std::any_of(some.begin(), some.end(), [&others](const ByteRange& one) {
    return std::any_of(others.begin(), others.end(),
                       [&one](const ByteRange& other) { return one.begin < other.end && other.begin < one.end; });
  });
}

bool has_job(const MappedBytes& bytes) {
  return std::any_of(jobs.begin(), jobs.end(), [&bytes](const MappedBytes& job) {
    return job.mapping == bytes.mapping && job.begin < bytes.end && bytes.begin < job.end;
  });
}

template <typename Matches>
void end_where(Matches matches) {
  claims.erase(std::remove_if(claims.begin(), claims.end(), matches), claims.end());
}

void end_abandoned() {
  end_where([](const Claim& one) { return one.abandoned && !has_job(one.claimant.bytes); });
}

template <typename Matches>
void abandon_where(Matches matches) {
  const std::lock_guard<std::mutex> guard(claims_mutex);
  for (Claim& one : claims) {
    if (matches(one)) one.abandoned = true;
  }
  end_abandoned();
}

}  // namespace

ClaimId claim(const FileIdentity& file, const std::vector<ByteRange>& ranges, ClaimKind kind, const Claimant& claimant,
              ClaimKind* obstacle) {
  const std::lock_guard<std::mutex> guard(claims_mutex);
  for (const Claim& other : claims) {
    if (!(other.file == file) || !overlap(other.ranges, ranges)) continue;
    if (kind == ClaimKind::kShared && other.kind == ClaimKind::kShared) continue;
    *obstacle = other.kind;
    return 0;
  }
  claims.push_back({++last_claim, file, ranges, kind, claimant, false});
  return last_claim;
}

void end_claim(ClaimId id) {
  const std::lock_guard<std::mutex> guard(claims_mutex);
  end_where([id](const Claim& one) { return one.id == id; });
}

void abandon_claim(ClaimId id) {
  abandon_where([id](const Claim& one) { return one.id == id; });
}

void abandon_claims_of(const void* environment, double handle) {
  abandon_where(
      [=](const Claim& one) { return one.claimant.environment == environment && one.claimant.handle == handle; });
}

void abandon_claims_of(const void* environment) {
  abandon_where([=](const Claim& one) { return one.claimant.environment == environment; });
}

void begin_job_in(const MappedBytes& bytes) {
  const std::lock_guard<std::mutex> guard(claims_mutex);
  jobs.push_back(bytes);
}

void end_job_in(const MappedBytes& bytes) {
  const std::lock_guard<std::mutex> guard(claims_mutex);
  const auto same = [&bytes](const MappedBytes& job) {
    return job.mapping == bytes.mapping && job.begin == bytes.begin && job.end == bytes.end;
  };
  const auto found = std::find_if(jobs.begin(), jobs.end(), same);
  if (found != jobs.end()) jobs.erase(found);
  end_abandoned();
}

}  // namespace pmem
