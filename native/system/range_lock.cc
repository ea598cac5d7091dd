#include "system/range_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <mutex>
#include <vector>

#include "system/file_identity.h"
#include "system/uninterrupted.h"

#ifndef F_OFD_SETLK
#define F_OFD_SETLK 37
#endif
#ifndef F_OFD_GETLK
#define F_OFD_GETLK 36
#endif

namespace pmem {

namespace {

struct Held {
  LockId id;
  LockKind kind;
  bool claims;  // the device, if it is one
  unsigned users;
  std::vector<ByteRange> ranges;
};

// One open file description per file and process: locks taken through it never conflict with each other. There is also
// one claim only, because the kernel would refuse a second one of this process.
struct LockedFile {
  FileIdentity identity;
  int fd;
  std::vector<Held> held;
  int claim = -1;  // a description that was opened with O_EXCL; -1: none
};

std::mutex locks_mutex;
std::vector<std::unique_ptr<LockedFile>> files;
LockId last_id = 0;

int command(int fd, int name, struct flock* request) {
  return uninterrupted([=] { return fcntl(fd, name, request); }) == 0 ? 0 : errno;
}

struct flock request_for(short type, off_t begin, off_t end) {
  struct flock request = {};
  request.l_type = type;
  request.l_whence = SEEK_SET;
  request.l_start = begin;
  request.l_len = end - begin;
  return request;
}

int set_lock(int fd, short type, off_t begin, off_t end, ByteRange* conflict) {
  struct flock request = request_for(type, begin, end);
  const int error = command(fd, F_OFD_SETLK, &request);
  if (error != EAGAIN && error != EACCES) return error;
  if (conflict != nullptr) {
    *conflict = {begin, end};
    struct flock found = request_for(type, begin, end);
    if (command(fd, F_OFD_GETLK, &found) == 0 && found.l_type != F_UNLCK) {
      *conflict = {found.l_start, found.l_len == 0 ? INT64_MAX : found.l_start + found.l_len};
    }
  }
  return EAGAIN;
}

int open_again(int fd, int access) {
  char path[32];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  return uninterrupted([&] { return open(path, access | O_CLOEXEC | O_NONBLOCK); });
}

// A description of our own, with the access of the caller's: the caller's lives as long as its mapping, and its locks
// with it. Of a device, preferably a description of the node that other processes lock, too.
int own_description(int fd, const FileIdentity& identity) {
  const int access = fcntl(fd, F_GETFL) & O_ACCMODE;
  const int node = canonical_node(identity);
  if (node >= 0) {
    const int own = open_again(node, access);
    close(node);
    if (own >= 0) return own;
  }
  const int own = open_again(fd, access);
  if (own >= 0 || errno != ENOENT) return own;
  // Without /proc it is the caller's description: abandon unlocks before it closes.
  return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

// Unlocks and closes a description. Closing alone would leave the locks to a child between fork and exec, which has the
// description open, too.
void abandon(int fd) {
  set_lock(fd, F_UNLCK, 0, 0, nullptr);  // up to the largest offset
  close(fd);
}

bool is_writable(int fd) { return (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR; }

short strongest(const std::vector<Held>& held, off_t at) {
  short type = F_UNLCK;
  for (const Held& one : held) {
    for (const ByteRange& range : one.ranges) {
      if (at < range.begin || at >= range.end) continue;
      if (one.kind != LockKind::kShared) return F_WRLCK;
      type = F_RDLCK;
    }
  }
  return type;
}

bool touches(const std::vector<ByteRange>& ranges, off_t at) {
  for (const ByteRange& range : ranges) {
    if (at >= range.begin && at <= range.end) return true;
  }
  return false;
}

// Takes each part of the changed ranges between two borders from the lock that the old holders needed to the lock that
// the new ones need. A part that needs no change is left alone: a writer's lock must not be weakened even for a moment.
int settle(int fd, const std::vector<Held>& before, const std::vector<Held>& after,
           const std::vector<ByteRange>& changed, ByteRange* conflict) {
  std::vector<off_t> borders;
  for (const std::vector<Held>* list : {&before, &after}) {
    for (const Held& one : *list) {
      for (const ByteRange& range : one.ranges) {
        if (touches(changed, range.begin)) borders.push_back(range.begin);
        if (touches(changed, range.end)) borders.push_back(range.end);
      }
    }
  }
  for (const ByteRange& range : changed) {
    borders.push_back(range.begin);
    borders.push_back(range.end);
  }
  std::sort(borders.begin(), borders.end());
  borders.erase(std::unique(borders.begin(), borders.end()), borders.end());
  int first_error = 0;
  for (size_t i = 0; i + 1 < borders.size(); i++) {
    const short wanted = strongest(after, borders[i]);
    if (wanted == strongest(before, borders[i])) continue;
    const int error = set_lock(fd, wanted, borders[i], borders[i + 1], first_error == 0 ? conflict : nullptr);
    if (first_error == 0) first_error = error;
  }
  return first_error;
}

// Whether another holder in this process has a part of the wanted ranges, and one of the two is to be alone.
bool conflicts(const std::vector<Held>& held, const Held& wanted, ByteRange* conflict) {
  for (const Held& one : held) {
    if (one.id == wanted.id || (one.kind != LockKind::kAlone && wanted.kind != LockKind::kAlone)) continue;
    for (const ByteRange& theirs : one.ranges) {
      for (const ByteRange& ours : wanted.ranges) {
        if (theirs.begin >= ours.end || ours.begin >= theirs.end) continue;
        *conflict = theirs;
        return true;
      }
    }
  }
  return false;
}

// Replaces the holders of the file. Where another process is in the way, everything stays as it was.
int replace(LockedFile& file, std::vector<Held>* wanted, const std::vector<ByteRange>& changed, ByteRange* conflict) {
  const int error = settle(file.fd, file.held, *wanted, changed, conflict);
  if (error == 0) {
    file.held.swap(*wanted);
  } else {
    settle(file.fd, *wanted, file.held, changed, nullptr);
  }
  return error;
}

bool any_claims(const std::vector<Held>& held) {
  return std::any_of(held.begin(), held.end(), [](const Held& one) { return one.claims; });
}

// The kernel claims the device, whichever node is opened, and makes no difference between reading and writing.
int claim_device(LockedFile& file, int fd) {
  if (file.claim >= 0 || file.identity.kind != FileKind::kBlockDevice) return 0;
  const int access = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY ? O_WRONLY : O_RDONLY;
  file.claim = open_again(fd, access | O_EXCL);
  return file.claim < 0 ? errno : 0;
}

// Where a child between fork and exec has the description open, too, the device stays claimed until the exec: unlike a
// lock, a claim ends only when its last descriptor is closed.
void end_claim(LockedFile& file) {
  if (file.claim >= 0) close(file.claim);
  file.claim = -1;
}

bool find_lock(LockId id, size_t* file, size_t* held) {
  for (*file = 0; *file < files.size(); ++*file) {
    const std::vector<Held>& list = files[*file]->held;
    for (*held = 0; *held < list.size(); ++*held) {
      if (list[*held].id == id) return true;
    }
  }
  return false;
}

// The first writer of a file that had only readers brings a description that can hold a writer's lock. It takes the
// readers' locks before the old description releases them: read locks do not exclude each other.
int move_to(LockedFile& file, int fd, ByteRange* conflict) {
  const int own = own_description(fd, file.identity);
  if (own < 0) return errno;
  for (const Held& one : file.held) {
    for (const ByteRange& range : one.ranges) {
      if (const int error = set_lock(own, F_RDLCK, range.begin, range.end, conflict)) {
        abandon(own);
        return error;
      }
    }
  }
  abandon(file.fd);
  file.fd = own;
  return 0;
}

}  // namespace

int lock_ranges(int fd, const std::vector<ByteRange>& ranges, LockKind kind, DeviceClaim claim, LockId* id,
                Obstacle* obstacle) {
  ByteRange* conflict = &obstacle->held;
  FileIdentity identity;
  if (const int error = identify_file(fd, &identity)) return error;
  const std::lock_guard<std::mutex> guard(locks_mutex);
  auto place = std::find_if(files.begin(), files.end(),
                            [&](const std::unique_ptr<LockedFile>& file) { return file->identity == identity; });
  const bool claims = kind != LockKind::kShared && claim == DeviceClaim::kTaken;
  const Held mine = {last_id + 1, kind, claims, 1, ranges};
  if (place == files.end()) {
    const int own = own_description(fd, identity);
    if (own < 0) return errno;
    files.push_back(std::unique_ptr<LockedFile>(new LockedFile{identity, own, {}, -1}));
    place = files.end() - 1;
  } else {
    if (conflicts((*place)->held, mine, conflict)) return EBUSY;
    if (kind != LockKind::kShared && !is_writable((*place)->fd)) {
      if (const int error = move_to(**place, fd, conflict)) return error;
    }
  }
  LockedFile& file = **place;
  std::vector<Held> wanted = file.held;
  wanted.push_back(mine);
  // Lock first and unlock last: whoever waits for the lock must not find the device claimed.
  int error = replace(file, &wanted, ranges, conflict);
  if (error == 0 && claims) {
    error = claim_device(file, fd);
    if (error != 0) {
      obstacle->syscall = "open";
      replace(file, &wanted, ranges, nullptr);  // as it was
    }
  }
  if (error == 0) {
    *id = ++last_id;
  } else if (file.held.empty()) {
    abandon(file.fd);
    files.erase(place);
  }
  return error;
}

std::vector<dev_t> claimed_devices() {
  const std::lock_guard<std::mutex> guard(locks_mutex);
  std::vector<dev_t> found;
  for (const std::unique_ptr<LockedFile>& file : files) {
    if (file->claim >= 0) found.push_back(file->identity.device);
  }
  return found;
}

int change_lock(LockId id, const std::vector<ByteRange>& ranges, Obstacle* obstacle) {
  ByteRange* conflict = &obstacle->held;
  const std::lock_guard<std::mutex> guard(locks_mutex);
  size_t file, held;
  if (!find_lock(id, &file, &held)) return EBADF;
  std::vector<Held> wanted = files[file]->held;
  wanted[held].ranges = ranges;
  if (conflicts(files[file]->held, wanted[held], conflict)) return EBUSY;
  std::vector<ByteRange> changed = files[file]->held[held].ranges;
  changed.insert(changed.end(), ranges.begin(), ranges.end());
  return replace(*files[file], &wanted, changed, conflict);
}

bool retain_lock(LockId id) {
  const std::lock_guard<std::mutex> guard(locks_mutex);
  size_t file, held;
  if (!find_lock(id, &file, &held)) return false;
  files[file]->held[held].users++;
  return true;
}

unsigned lock_users(LockId id) {
  const std::lock_guard<std::mutex> guard(locks_mutex);
  size_t file, held;
  return find_lock(id, &file, &held) ? files[file]->held[held].users : 0;
}

void unlock(LockId id) {
  const std::lock_guard<std::mutex> guard(locks_mutex);
  size_t file, held;
  if (!find_lock(id, &file, &held)) return;
  std::vector<Held>& list = files[file]->held;
  if (--list[held].users > 0) return;
  const std::vector<Held> before = list;
  const std::vector<ByteRange> changed = list[held].ranges;
  list.erase(list.begin() + static_cast<ptrdiff_t>(held));
  if (!any_claims(list)) end_claim(*files[file]);
  if (list.empty()) {
    abandon(files[file]->fd);
    files.erase(files.begin() + static_cast<ptrdiff_t>(file));
  } else {
    settle(files[file]->fd, before, list, changed, nullptr);
  }
}

}  // namespace pmem
