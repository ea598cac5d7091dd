#include "mapping/mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "guard/fault.h"
#include "guard/stand_in.h"
#include "mapping/claims.h"
#include "mapping/map_file.h"

namespace pmem {

namespace {

std::mutex mappings_mutex;
Mapping* mappings = nullptr;
uint64_t last_identity = 0;

size_t round_up(size_t value, size_t unit) { return (value + unit - 1) & ~(unit - 1); }

}  // namespace

Mapping::~Mapping() { close_file(); }

void Mapping::close_file() {
  off_t size;
  const int fd = fd_.exchange(-1, std::memory_order_acq_rel);
  // Somebody may have closed it, and the number may be another file's now.
  if (fd >= 0 && size_of_file(fd, file_, &size) != EBADF) ::close(fd);
}

int Mapping::create(const MapRequest& request, Mapping** result, const char** syscall) {
  *syscall = "mmap";
  if (mapped_size(request) == 0) return EINVAL;
  FileIdentity file;
  if (const int error = identify_file(request.fd, &file)) {
    *syscall = "fstat";
    return error;
  }
  // A descriptor of our own, to ask how far the file reaches. A PCI resource has a size, too, but cannot be truncated,
  // and loads from it may do something.
  const bool can_shrink = file.kind == FileKind::kBlockDevice || (file.kind == FileKind::kFile && !request.read_back);
  const int kept = can_shrink ? fcntl(request.fd, F_DUPFD_CLOEXEC, 0) : -1;
  if (can_shrink && kept < 0) {
    *syscall = "fcntl";
    return errno;
  }
  bool synchronous = false;
  void* address = map_file(request, &synchronous);
  const int error = address == MAP_FAILED ? errno : adopt(address, request, result, syscall);
  if (error != 0) {
    if (kept >= 0) close(kept);
    return error;
  }
  (*result)->synchronous_ = synchronous;
  (*result)->file_ = file;
  if (kept >= 0) (*result)->keep_file(kept);
  return 0;
}

int Mapping::adopt(void* address, const MapRequest& request, Mapping** result, const char** syscall) {
  const size_t mapped = mapped_size(request);
  Mapping* mapping = new (std::nothrow) Mapping();
  if (mapping == nullptr) {
    munmap(address, mapped);
    return ENOMEM;
  }
  mapping->dont_dump_ = request.dont_dump;
  if (const int error = mapping->advise(address, mapped)) {
    munmap(address, mapped);
    delete mapping;
    *syscall = "madvise";
    return error;
  }

  // EINVAL: this kernel has no large pages.
  if (request.small_pages) madvise(address, mapped, MADV_NOHUGEPAGE);

  mapping->base_ = static_cast<uint8_t*>(address);
  mapping->length_ = request.length;
  mapping->mapped_ = mapped;
  mapping->page_size_ = request.page_size;
  mapping->writable_ = request.writable;
  mapping->read_back_ = request.read_back;
  mapping->extents_ = request.extents;
  if (const int error = watch(mapping)) {
    munmap(address, mapped);
    delete mapping;
    *syscall = "sigaction";
    return error;
  }
  const std::lock_guard<std::mutex> guard(mappings_mutex);
  mapping->identity_ = ++last_identity;
  mapping->file_.inode = mapping->identity_;  // no file has device number 0
  mapping->next_ = mappings;
  mappings = mapping;
  *result = mapping;
  return 0;
}

int Mapping::advise(void* address, size_t size) const {
  // A forked child would share the memory without sharing the lock.
  if (madvise(address, size, MADV_DONTFORK) != 0) return errno;
  return dont_dump_ && madvise(address, size, MADV_DONTDUMP) != 0 ? errno : 0;
}

std::vector<ByteRange> Mapping::ranges(size_t offset, size_t length) const {
  std::vector<ByteRange> found;
  size_t begin = 0;  // of the extent, in the mapping
  for (const Extent& extent : extents_) {
    const size_t from = std::max(offset, begin);
    const size_t to = std::min(offset + length, begin + extent.length);
    const off_t in_file = extent.offset - static_cast<off_t>(begin);
    if (from < to) found.push_back({in_file + static_cast<off_t>(from), in_file + static_cast<off_t>(to)});
    begin += extent.length;
  }
  return found;
}

// Of a block device a load tells nothing: its pages in the page cache stay when the device shrinks.
void Mapping::keep_file(int fd) {
  static const off_t page = sysconf(_SC_PAGESIZE);
  fd_ = fd;
  if (file_.kind != FileKind::kFile) return;
  size_t begin = 0;  // of the extent, in the mapping
  for (const Extent& extent : extents_) {
    const off_t last = (extent.offset + static_cast<off_t>(extent.length) - 1) / page * page;
    if (last >= last_page_) {
      last_page_ = last;
      in_last_page_ = base_ + begin + static_cast<size_t>(last - extent.offset);
    }
    begin += extent.length;
  }
}

off_t Mapping::end_in_extents(size_t offset, size_t length) const {
  off_t end = 0;
  size_t begin = 0;
  for (const Extent& extent : extents_) {
    if (begin >= offset + length) break;
    const size_t to = std::min(offset + length - begin, extent.length);  // in the extent
    if (offset < begin + extent.length) end = std::max(end, extent.offset + static_cast<off_t>(to));
    begin += extent.length;
  }
  return end;
}

bool Mapping::reaches_now(off_t end) {
  if (end == 0) return true;
  off_t size = 0;
  const bool unknown = size_of_file(fd_.load(std::memory_order_relaxed), file_, &size) != 0;
  if (!unknown && size >= end) {
    if (end <= last_page_) asks_always_.store(true, std::memory_order_relaxed);
    return true;
  }
  size_t begin = 0;
  for (const Extent& extent : extents_) {
    const off_t left = unknown ? 0 : std::max(size - extent.offset, off_t{0});
    if (left < static_cast<off_t>(extent.length)) {
      mark_damaged(unknown ? Damage::kUnknownSize : Damage::kTruncated, begin + static_cast<size_t>(left));
      break;
    }
    begin += extent.length;
  }
  return false;
}

Mapping* Mapping::attach(uint64_t identity) {
  const std::lock_guard<std::mutex> guard(mappings_mutex);
  for (Mapping* mapping = mappings; mapping != nullptr; mapping = mapping->next_) {
    if (mapping->identity_ != identity) continue;
    if (mapping->handles_ == 0) return nullptr;
    mapping->retain();
    mapping->handles_++;
    mapping->users_++;
    return mapping;
  }
  return nullptr;
}

Mapping* Mapping::holding(const uint8_t* address) {
  const std::lock_guard<std::mutex> guard(mappings_mutex);
  for (Mapping* mapping = mappings; mapping != nullptr; mapping = mapping->next_) {
    if (address < mapping->base_ || address >= mapping->base_ + mapping->length_) continue;
    mapping->retain();
    return mapping;
  }
  return nullptr;
}

void Mapping::take_lock(HeldLock lock) {
  const std::lock_guard<std::mutex> guard(mappings_mutex);
  lock_ = std::move(lock);
}

void Mapping::begin_job(size_t offset, size_t length) {
  begin_job_in({identity_, offset, offset + length});
  retain();
  const std::lock_guard<std::mutex> guard(mappings_mutex);
  users_++;
}

void Mapping::end_job(size_t offset, size_t length) {
  end_job_in({identity_, offset, offset + length});
  leave(false);
}

// The handle or job and its reference go in one step: whoever learns that nobody stores any more may rely on there
// being no reference left of an earlier user.
void Mapping::leave(bool handle) {
  HeldLock freed;
  bool last;
  {
    const std::lock_guard<std::mutex> guard(mappings_mutex);
    if (handle) handles_--;
    if (--users_ == 0 && lock_.kind() != LockKind::kAlone) freed = std::move(lock_);
    last = drop_reference();
  }
  if (last) end(std::move(freed));
}

void Mapping::release() {
  bool last;
  {
    const std::lock_guard<std::mutex> guard(mappings_mutex);
    last = drop_reference();
  }
  if (last) end({});
}

// Under the mutex of all mappings. True: that was the last reference, and nobody finds the mapping any more.
bool Mapping::drop_reference() {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return false;
  Mapping** link = &mappings;
  while (*link != this) link = &(*link)->next_;
  *link = next_;
  return true;
}

// The lock is released in any case, but only after the file was removed from the addresses: others must not get the
// bytes while a request that Node.js has under way (fs.read) could still store into them.
void Mapping::end(HeldLock freed) {
  if (freed.id() != 0) lock_ = std::move(freed);
  if (places_.load(std::memory_order_acquire) > 1 && remove_file()) {
    ended_.store(true, std::memory_order_release);
    // A handler that uses the descriptor at this moment sees another file at worst: nothing that it does matters now.
    close_file();
    lock_.reset();
  }
  release_place();
}

// Whoever still uses the addresses reads zeroes and stores into nothing, but neither crashes nor reaches another file.
bool Mapping::remove_file() {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  void* placed = mmap(base_, mapped_, PROT_READ | PROT_WRITE, flags, -1, 0);
  // Read-only memory is granted even where memory is short; the handler makes it writable where somebody stores.
  if (placed == MAP_FAILED) placed = mmap(base_, mapped_, PROT_READ, flags, -1, 0);
  if (placed == MAP_FAILED) return false;
  advise(base_, mapped_);
  return true;
}

void Mapping::release_place() {
  if (places_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  // Before others can get the addresses.
  unwatch(this);
  munmap(base_, mapped_);
  forget_stand_ins(stand_ins());
  delete this;  // releases the lock where it is still held
}

bool Mapping::past_end(size_t offset, size_t* begin, size_t* length) const {
  off_t bytes = 0;
  const int fd = fd_.load(std::memory_order_acquire);
  // Only where the descriptor is still of this file: another file's end would cost sound pages.
  if (offset >= tail_ || fd < 0 || size_of_file(fd, file_, &bytes) != 0 || bytes < 0) return false;
  const size_t size = round_up(static_cast<size_t>(bytes), page_size_);
  size_t first = 0;  // of the extent, in the mapping
  for (const Extent& extent : extents_) {
    const size_t there = round_up(extent.length, page_size_);
    const size_t in_file = static_cast<size_t>(extent.offset);
    const size_t left = size > in_file ? std::min(size - in_file, there) : 0;
    if (offset >= first + left && offset < first + there) {
      *begin = first + left;
      *length = std::min(first + there, tail_) - *begin;
      return true;
    }
    first += there;
  }
  return false;
}

void Mapping::mark_damaged(Damage kind, size_t offset) {
  Damage none = Damage::kNone;
  if (damage_.load(std::memory_order_relaxed) != none) return;
  damage_offset_.store(offset, std::memory_order_relaxed);
  damage_.compare_exchange_strong(none, kind, std::memory_order_release, std::memory_order_relaxed);
}

void Mapping::note_dirty(size_t offset, size_t length) {
  const std::lock_guard<std::mutex> guard(dirty_mutex_);
  if (offset < dirty_begin_) dirty_begin_ = offset;
  if (offset + length > dirty_end_) dirty_end_ = offset + length;
  dirty_end_in_file_ = std::max(dirty_end_in_file_, end_in_file(offset, length));
}

bool Mapping::take_dirty(size_t* offset, size_t* length, off_t* end) {
  const std::lock_guard<std::mutex> guard(dirty_mutex_);
  if (dirty_end_ == 0) return false;
  *offset = dirty_begin_;
  *length = dirty_end_ - dirty_begin_;
  *end = dirty_end_in_file_;
  dirty_begin_ = SIZE_MAX;
  dirty_end_ = 0;
  dirty_end_in_file_ = 0;
  return true;
}

}  // namespace pmem
