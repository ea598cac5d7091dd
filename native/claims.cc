#include "claims.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

namespace pmem {

namespace {

struct Claim {
  ClaimId id;
  FileIdentity file;
  std::vector<ByteRange> ranges;
  ClaimKind kind;
  const void* environment;
  double handle;
};

std::mutex claims_mutex;
std::vector<Claim> claims;
ClaimId last_claim = 0;

bool overlap(const std::vector<ByteRange>& some, const std::vector<ByteRange>& others) {
  return std::any_of(some.begin(), some.end(), [&others](const ByteRange& one) {
    return std::any_of(others.begin(), others.end(),
                       [&one](const ByteRange& other) { return one.begin < other.end && other.begin < one.end; });
  });
}

template <typename Matches>
void end_where(Matches matches) {
  const std::lock_guard<std::mutex> guard(claims_mutex);
  claims.erase(std::remove_if(claims.begin(), claims.end(), matches), claims.end());
}

}  // namespace

int identify_file(int fd, FileIdentity* identity) {
  struct stat status;
  // Not fstat(), as in range_lock.cc: it does not run with an earlier glibc than it was built with.
  if (syscall(SYS_fstat, fd, &status) != 0) return errno;
  identity->is_device = S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode);
  identity->device = identity->is_device ? status.st_rdev : status.st_dev;
  identity->inode = identity->is_device ? 0 : status.st_ino;
  return 0;
}

ClaimId claim(const FileIdentity& file, const std::vector<ByteRange>& ranges, ClaimKind kind, const void* environment,
              double handle, ClaimKind* obstacle) {
  const std::lock_guard<std::mutex> guard(claims_mutex);
  for (const Claim& other : claims) {
    if (!(other.file == file) || !overlap(other.ranges, ranges)) continue;
    if (kind == ClaimKind::kShared && other.kind == ClaimKind::kShared) continue;
    *obstacle = other.kind;
    return 0;
  }
  claims.push_back({++last_claim, file, ranges, kind, environment, handle});
  return last_claim;
}

void end_claim(ClaimId id) {
  end_where([id](const Claim& one) { return one.id == id; });
}

void end_claims_of(const void* environment, double handle) {
  end_where([=](const Claim& one) { return one.environment == environment && one.handle == handle; });
}

void end_claims_of(const void* environment) {
  end_where([=](const Claim& one) { return one.environment == environment; });
}

}  // namespace pmem
