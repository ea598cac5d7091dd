// Which file a descriptor means, whatever path it was opened by.
#ifndef PMEM_SYSTEM_FILE_IDENTITY_H_
#define PMEM_SYSTEM_FILE_IDENTITY_H_

#include <sys/types.h>

namespace pmem {

enum class FileKind { kFile, kCharacterDevice, kBlockDevice };

// Devices are what their kind and number say, not their node: there can be many of those, on any file system.
struct FileIdentity {
  FileKind kind = FileKind::kFile;
  dev_t device = 0;
  ino_t inode = 0;  // 0 for devices

  bool operator==(const FileIdentity& other) const {
    return kind == other.kind && device == other.device && inode == other.inode;
  }
};

// Returns 0 or an errno.
int identify_file(int fd, FileIdentity* identity);

// How many bytes the file or block device has, asked by a descriptor that should still be its own. Returns 0 or an
// errno; EBADF: somebody closed it, and the number is another file's now. Nothing is done to whatever file it is.
// Async-signal-safe.
int size_of_file(int fd, const FileIdentity& identity, off_t* size);

// The node of a device that the kernel or udev made, as a descriptor that nothing can be done with but opening it again
// (O_PATH); -1: there is none, or this is no device. Locks are the node's, so everybody should take them on the same
// one.
int canonical_node(const FileIdentity& identity);

}  // namespace pmem

#endif  // PMEM_SYSTEM_FILE_IDENTITY_H_
