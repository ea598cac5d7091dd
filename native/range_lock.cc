#include "range_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <mutex>
#include <vector>

#ifndef F_OFD_SETLK
#define F_OFD_SETLK 37
#endif

namespace pmem {

namespace {

struct Held {
  LockId id;
  off_t begin;
  off_t end;
  bool exclusive;
};

// One open file description per file and process: locks taken through it never conflict with each other.
struct LockedFile {
  dev_t device;
  ino_t inode;
  int fd;
  std::vector<Held> held;
};

std::mutex locks_mutex;
std::vector<std::unique_ptr<LockedFile>> files;
LockId last_id = 0;

int set_lock(int fd, short type, off_t begin, off_t end) {
  struct flock request = {};
  request.l_type = type;
  request.l_whence = SEEK_SET;
  request.l_start = begin;
  request.l_len = end - begin;
  int result;
  do {
    result = fcntl(fd, F_OFD_SETLK, &request);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return 0;
  return errno == EACCES ? EAGAIN : errno;
}

// A description of our own, with the access of the opener's: that one lives as long as its mapping, and its locks with
// it.
int own_description(int fd) {
  char path[32];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  return open(path, (fcntl(fd, F_GETFL) & O_ACCMODE) | O_CLOEXEC | O_NONBLOCK);
}

bool is_writable(int fd) { return (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR; }

short strongest(const std::vector<Held>& held, off_t at) {
  short type = F_UNLCK;
  for (const Held& one : held) {
    if (at < one.begin || at >= one.end) continue;
    if (one.exclusive) return F_WRLCK;
    type = F_RDLCK;
  }
  return type;
}

// Brings every piece of [begin, end) between two borders from what the old holders needed to what the new ones need.
// Only pieces that change are touched: a writer's lock must not be weakened, not even for a moment.
int settle(int fd, const std::vector<Held>& before, const std::vector<Held>& after, off_t begin, off_t end) {
  std::vector<off_t> borders = {begin, end};
  for (const std::vector<Held>* list : {&before, &after}) {
    for (const Held& one : *list) {
      if (one.begin > begin && one.begin < end) borders.push_back(one.begin);
      if (one.end > begin && one.end < end) borders.push_back(one.end);
    }
  }
  std::sort(borders.begin(), borders.end());
  int first_error = 0;
  for (size_t i = 0; i + 1 < borders.size(); i++) {
    if (borders[i] == borders[i + 1]) continue;
    const short wanted = strongest(after, borders[i]);
    if (wanted == strongest(before, borders[i])) continue;
    const int error = set_lock(fd, wanted, borders[i], borders[i + 1]);
    if (first_error == 0) first_error = error;
  }
  return first_error;
}

// The first writer of a file that only readers had brings a description that can hold a writer's lock. It can take the
// readers' locks before the old description gives them up: read locks do not exclude each other.
int move_to(LockedFile& file, int fd) {
  const int own = own_description(fd);
  if (own < 0) return errno;
  for (const Held& one : file.held) {
    if (const int error = set_lock(own, F_RDLCK, one.begin, one.end)) {
      close(own);
      return error;
    }
  }
  close(file.fd);
  file.fd = own;
  return 0;
}

}  // namespace

int lock_range(int fd, off_t begin, off_t end, bool exclusive, LockId* id) {
  struct stat status;
  // Not fstat(): built with glibc 2.33 or later, that does not run with an earlier one. The kernel's layout is the
  // same.
  if (syscall(SYS_fstat, fd, &status) != 0) return errno;
  const std::lock_guard<std::mutex> guard(locks_mutex);
  auto place = std::find_if(files.begin(), files.end(), [&](const std::unique_ptr<LockedFile>& file) {
    return file->device == status.st_dev && file->inode == status.st_ino;
  });
  if (place == files.end()) {
    const int own = own_description(fd);
    if (own < 0) return errno;
    files.push_back(std::unique_ptr<LockedFile>(new LockedFile{status.st_dev, status.st_ino, own, {}}));
    place = files.end() - 1;
  } else if (exclusive && !is_writable((*place)->fd)) {
    if (const int error = move_to(**place, fd)) return error;
  }
  LockedFile& file = **place;
  std::vector<Held> wanted = file.held;
  wanted.push_back({last_id + 1, begin, end, exclusive});
  const int error = settle(file.fd, file.held, wanted, begin, end);
  if (error == 0) {
    *id = ++last_id;
    file.held.swap(wanted);
    return 0;
  }
  settle(file.fd, wanted, file.held, begin, end);
  if (file.held.empty()) {
    close(file.fd);
    files.erase(place);
  }
  return error;
}

void unlock_range(LockId id) {
  const std::lock_guard<std::mutex> guard(locks_mutex);
  for (auto place = files.begin(); place != files.end(); ++place) {
    LockedFile& file = **place;
    auto found = std::find_if(file.held.begin(), file.held.end(), [id](const Held& one) { return one.id == id; });
    if (found == file.held.end()) continue;
    const std::vector<Held> before = file.held;
    const Held gone = *found;
    file.held.erase(found);
    if (file.held.empty()) {
      close(file.fd);  // drops every lock of the description
      files.erase(place);
    } else {
      settle(file.fd, before, file.held, gone.begin, gone.end);
    }
    return;
  }
}

}  // namespace pmem
