// Advisory locks on byte ranges between processes (open-file-description locks, fcntl(2)). Within one process they do
// not exclude each other, because worker threads may open the same range; except for kAlone, which excludes everybody.
#ifndef PMEM_SYSTEM_RANGE_LOCK_H_
#define PMEM_SYSTEM_RANGE_LOCK_H_

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace pmem {

using LockId = uint64_t;  // never 0

struct ByteRange {
  off_t begin;
  off_t end;
};

enum class LockKind : int {
  kShared = 0,     // other processes may hold shared locks, too
  kExclusive = 1,  // no other process; other holders in this process
  kAlone = 2,      // nobody else, in no thread
};

// Whether a lock that is not shared also claims the block device, as mkfs and mount do (open(2), O_EXCL).
enum class DeviceClaim { kTaken, kLeft };

// Why a lock was refused.
struct Obstacle {
  const char* syscall = "fcntl";  // "open": the device could not be claimed
  ByteRange held = {};            // by the other holder, as far as it is known
};

// Locks the ranges of the file behind fd: all of them or none. Returns 0 or an errno. Of fcntl, EAGAIN: another process
// holds one of them; EBUSY: another holder in this process does. Of open, EBUSY: the kernel or another process has the
// block device claimed.
int lock_ranges(int fd, const std::vector<ByteRange>& ranges, LockKind kind, DeviceClaim claim, LockId* id,
                Obstacle* obstacle);

// Device numbers of the block devices that this process has claimed.
std::vector<dev_t> claimed_devices();

// Gives the lock these ranges. On failure it keeps its own; returns an errno as lock_ranges. EBADF: no such lock.
int change_lock(LockId id, const std::vector<ByteRange>& ranges, Obstacle* obstacle);

// A new lock has one user. False: there is no such lock.
bool retain_lock(LockId id);
unsigned lock_users(LockId id);

// One user less. The last one releases the ranges that nobody else in this process holds. Does nothing if there is no
// such lock: ids are never used again.
void unlock(LockId id);

// One user of a lock, or of none.
class HeldLock {
 public:
  HeldLock() = default;
  HeldLock(LockId id, LockKind kind) : id_(id), kind_(kind) {}  // takes over one user
  HeldLock(HeldLock&& other) noexcept : id_(other.id_), kind_(other.kind_) { other.id_ = 0; }
  HeldLock& operator=(HeldLock&& other) noexcept {
    if (this == &other) return *this;
    reset();
    id_ = other.id_;
    kind_ = other.kind_;
    other.id_ = 0;
    return *this;
  }
  ~HeldLock() { reset(); }

  void reset() {
    if (id_ != 0) unlock(id_);
    id_ = 0;
  }
  LockId id() const { return id_; }  // 0: none
  LockKind kind() const { return kind_; }

 private:
  LockId id_ = 0;
  LockKind kind_ = LockKind::kShared;
};

}  // namespace pmem

#endif  // PMEM_SYSTEM_RANGE_LOCK_H_
