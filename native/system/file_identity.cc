#include "system/file_identity.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "system/uninterrupted.h"

namespace pmem {

namespace {

constexpr size_t kMostPath = 4096;

// The node at the path, if it is that device's. O_PATH: opening another device could do something to it.
int node_at(const char* path, const FileIdentity& identity) {
  const int fd = uninterrupted([=] { return open(path, O_PATH | O_CLOEXEC); });
  if (fd < 0) return -1;
  FileIdentity found;
  if (identify_file(fd, &found) == 0 && found == identity) return fd;
  close(fd);
  return -1;
}

// The path below /dev by the kernel's name for the node (Documentation/ABI/testing/sysfs-uevent: DEVNAME).
bool named_path(const char* directory, dev_t device, char* named, size_t room) {
  char path[64];
  snprintf(path, sizeof(path), "/sys/dev/%s/%u:%u/uevent", directory, major(device), minor(device));
  const int fd = uninterrupted([&] { return open(path, O_RDONLY | O_CLOEXEC); });
  if (fd < 0) return false;
  char text[kMostPath];
  const ssize_t length = uninterrupted([&] { return read(fd, text, sizeof(text) - 1); });
  close(fd);
  if (length <= 0) return false;
  text[length] = '\0';
  for (char* line = text; line != nullptr;) {
    char* end = strchr(line, '\n');
    if (end != nullptr) *end = '\0';
    if (strncmp(line, "DEVNAME=", 8) == 0) {
      const int needed = snprintf(named, room, "/dev/%s", line + 8);
      return needed > 0 && static_cast<size_t>(needed) < room;
    }
    line = end == nullptr ? nullptr : end + 1;
  }
  return false;
}

int identify(int fd, FileIdentity* identity, struct stat* result) {
  // Not fstat(): built with glibc 2.33 or later, it does not run with an earlier one. The kernel's layout is the same.
  if (syscall(SYS_fstat, fd, result) != 0) return errno;
  const struct stat& status = *result;
  identity->kind = S_ISCHR(status.st_mode)   ? FileKind::kCharacterDevice
                   : S_ISBLK(status.st_mode) ? FileKind::kBlockDevice
                                             : FileKind::kFile;
  const bool is_file = identity->kind == FileKind::kFile;
  identity->device = is_file ? status.st_dev : status.st_rdev;
  identity->inode = is_file ? status.st_ino : 0;
  return 0;
}

}  // namespace

int identify_file(int fd, FileIdentity* identity) {
  struct stat status;
  return identify(fd, identity, &status);
}

int size_of_file(int fd, const FileIdentity& identity, off_t* size) {
  struct stat status;
  FileIdentity found;
  if (const int error = identify(fd, &found, &status)) return error;
  if (!(found == identity)) return EBADF;
  *size = status.st_size;
  if (found.kind != FileKind::kBlockDevice) return 0;
  uint64_t bytes = 0;
  if (ioctl(fd, BLKGETSIZE64, &bytes) != 0) return errno;
  *size = static_cast<off_t>(bytes);
  return 0;
}

int canonical_node(const FileIdentity& identity) {
  if (identity.kind == FileKind::kFile) return -1;
  const char* directory = identity.kind == FileKind::kBlockDevice ? "block" : "char";
  char path[kMostPath + 8];
  snprintf(path, sizeof(path), "/dev/%s/%u:%u", directory, major(identity.device), minor(identity.device));
  const int fd = node_at(path, identity);
  if (fd >= 0) return fd;
  return named_path(directory, identity.device, path, sizeof(path)) ? node_at(path, identity) : -1;
}

}  // namespace pmem
