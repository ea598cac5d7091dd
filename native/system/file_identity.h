// Which file a descriptor means, whatever path it was opened by.
#ifndef PMEM_SYSTEM_FILE_IDENTITY_H_
#define PMEM_SYSTEM_FILE_IDENTITY_H_

#include <sys/types.h>

namespace pmem {

enum class FileKind { kFile, kCharacterDevice, kBlockDevice };

// A device is identified by its kind and number, not by its node: it can have many nodes, on any file system.
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

// The size of the file or block device, in bytes, by a descriptor that should still be its own. Returns 0 or an errno;
// EBADF: somebody closed the descriptor, or its number is another file's now. Changes nothing about any file.
// Async-signal-safe.
int size_of_file(int fd, const FileIdentity& identity, off_t* size);

// The node that the kernel or udev made for a device, as a descriptor that can only be opened again (O_PATH). -1: there
// is none, or this is no device. Locks belong to the node, so everybody should take them on the same one.
int canonical_node(const FileIdentity& identity);

}  // namespace pmem

#endif  // PMEM_SYSTEM_FILE_IDENTITY_H_
