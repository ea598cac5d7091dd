#include "mapping.h"

#include <sys/mman.h>

#include <cerrno>
#include <new>

#include "fault.h"

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif
#ifndef MAP_SYNC
#define MAP_SYNC 0x80000
#endif

namespace pmem {

namespace {

std::mutex mappings_mutex;
Mapping* mappings = nullptr;
uint64_t last_identity = 0;

size_t round_up(size_t value, size_t unit) { return (value + unit - 1) & ~(unit - 1); }

// An address that was free a moment ago, congruent to the offset modulo the alignment: only then can the kernel use
// entries of the page table as large as the alignment. Null when address space is short.
void* find_address(size_t mapped, size_t alignment, off_t offset) {
  const size_t span = mapped + alignment;
  if (span < mapped) return nullptr;
  void* found = mmap(nullptr, span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (found == MAP_FAILED) return nullptr;
  munmap(found, span);
  const uintptr_t residue = static_cast<uintptr_t>(offset) & (alignment - 1);
  return reinterpret_cast<void*>(round_up(reinterpret_cast<uintptr_t>(found) - residue, alignment) + residue);
}

bool aligned(const void* address, size_t alignment, off_t offset) {
  return ((reinterpret_cast<uintptr_t>(address) - static_cast<uintptr_t>(offset)) & (alignment - 1)) == 0;
}

// Maps without MAP_FIXED, so that no mapping of another thread can be hit; another thread may take the address first.
void* map_aligned(const MapRequest& request, size_t mapped, int protection, int flags) {
  void* address = MAP_FAILED;
  for (int attempt = 0; attempt < 8; attempt++) {
    void* hint =
        request.alignment > request.page_size ? find_address(mapped, request.alignment, request.offset) : nullptr;
    address = mmap(hint, mapped, protection, flags, request.fd, request.offset);
    if (address == MAP_FAILED || aligned(address, request.alignment, request.offset)) return address;
    munmap(address, mapped);
  }
  if (request.must_align) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return mmap(nullptr, mapped, protection, flags, request.fd, request.offset);
}

}  // namespace

int Mapping::create(const MapRequest& request, Mapping** result, const char** syscall) {
  *syscall = "mmap";
  const size_t mapped = round_up(request.length, request.page_size);
  if (request.length == 0 || mapped < request.length) return EINVAL;
  FileIdentity file;
  if (const int error = identify_file(request.fd, &file)) {
    *syscall = "fstat";
    return error;
  }
  Mapping* mapping = new (std::nothrow) Mapping();
  if (mapping == nullptr) return ENOMEM;

  const int protection = PROT_READ | (request.writable ? PROT_WRITE : 0);
  const int populate = request.populate ? MAP_POPULATE : 0;
  void* address = MAP_FAILED;
  if (request.try_sync) {
    address = map_aligned(request, mapped, protection, MAP_SHARED_VALIDATE | MAP_SYNC | populate);
    mapping->synchronous_ = address != MAP_FAILED;
  }
  // Kernels before 4.15 answer EINVAL to MAP_SHARED_VALIDATE, later ones EOPNOTSUPP to MAP_SYNC without DAX.
  if (address == MAP_FAILED && (!request.try_sync || errno == EOPNOTSUPP || errno == EINVAL)) {
    address = map_aligned(request, mapped, protection, MAP_SHARED | populate);
  }
  if (address == MAP_FAILED) {
    const int error = errno;
    delete mapping;
    return error;
  }
  // A forked child would share the memory without sharing the lock.
  if (madvise(address, mapped, MADV_DONTFORK) != 0) {
    const int error = errno;
    munmap(address, mapped);
    delete mapping;
    *syscall = "madvise";
    return error;
  }

  mapping->base_ = static_cast<uint8_t*>(address);
  mapping->length_ = request.length;
  mapping->page_size_ = request.page_size;
  mapping->writable_ = request.writable;
  mapping->read_back_ = request.read_back;
  mapping->file_ = file;
  mapping->offset_ = request.offset;
  mapping->lock_ = request.lock;
  if (!watch(mapping)) {
    munmap(address, mapped);
    delete mapping;
    *syscall = "sigaction";
    return ENOMEM;
  }
  const std::lock_guard<std::mutex> guard(mappings_mutex);
  mapping->identity_ = ++last_identity;
  mapping->next_ = mappings;
  mappings = mapping;
  *result = mapping;
  return 0;
}

Mapping* Mapping::attach(uint64_t identity) {
  const std::lock_guard<std::mutex> guard(mappings_mutex);
  for (Mapping* mapping = mappings; mapping != nullptr; mapping = mapping->next_) {
    if (mapping->identity_ != identity) continue;
    if (mapping->handles_.load(std::memory_order_relaxed) == 0) return nullptr;
    mapping->retain();
    mapping->add_handle();
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

void Mapping::close_handle() {
  LockId lock = 0;
  {
    // attach must not revive a mapping whose lock is being given back.
    const std::lock_guard<std::mutex> guard(mappings_mutex);
    if (handles_.fetch_sub(1, std::memory_order_relaxed) == 1) {
      lock = lock_;
      lock_ = 0;
    }
  }
  if (lock != 0) unlock_range(lock);
}

void Mapping::release() {
  {
    const std::lock_guard<std::mutex> guard(mappings_mutex);
    if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    Mapping** link = &mappings;
    while (*link != this) link = &(*link)->next_;
    *link = next_;
  }
  unwatch(this);
  if (lock_ != 0) unlock_range(lock_);
  const size_t mapped = round_up(length_, page_size_);
  if (places_.load(std::memory_order_acquire) > 1) {
    // Whoever still uses the addresses reads zeroes and stores into nothing, but neither crashes nor hits another file.
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
    void* placed = mmap(base_, mapped, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (placed == MAP_FAILED) placed = mmap(base_, mapped, PROT_NONE, flags, -1, 0);
    if (placed != MAP_FAILED) madvise(base_, mapped, MADV_DONTFORK);
  }
  release_place();
}

void Mapping::release_place() {
  if (places_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  munmap(base_, round_up(length_, page_size_));
  delete this;
}

void Mapping::mark_damaged(Damage kind, size_t offset) {
  Damage none = Damage::kNone;
  if (damage_.load(std::memory_order_relaxed) != none) return;
  damage_offset_.store(offset, std::memory_order_relaxed);
  damage_.compare_exchange_strong(none, kind, std::memory_order_release, std::memory_order_relaxed);
}

void Mapping::announce(size_t offset, size_t length) {
  const std::lock_guard<std::mutex> guard(announced_mutex_);
  if (offset < announced_begin_) announced_begin_ = offset;
  if (offset + length > announced_end_) announced_end_ = offset + length;
}

bool Mapping::take_announced(size_t* offset, size_t* length) {
  const std::lock_guard<std::mutex> guard(announced_mutex_);
  if (announced_end_ == 0) return false;
  *offset = announced_begin_;
  *length = announced_end_ - announced_begin_;
  announced_begin_ = SIZE_MAX;
  announced_end_ = 0;
  return true;
}

}  // namespace pmem
