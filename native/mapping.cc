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
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

namespace pmem {

namespace {

std::mutex mappings_mutex;
Mapping* mappings = nullptr;
uint64_t last_identity = 0;

size_t round_up(size_t value, size_t unit) { return (value + unit - 1) & ~(unit - 1); }

void* reserve(void* address, size_t length, int flags) {
  return mmap(address, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

// Maps over a place that was reserved just now, so that no mapping of another thread can be hit. Hints would not do:
// file systems put mappings where they see fit, and MAP_FIXED_NOREPLACE is not to be had together with MAP_SYNC.
void* map_over(void* place, const MapRequest& request, size_t mapped, int protection, int flags) {
  void* address = mmap(place, mapped, protection, flags | MAP_FIXED, request.fd, request.offset);
  if (address == MAP_FAILED) {
    const int error = errno;
    munmap(place, mapped);
    errno = error;
  }
  return address;
}

// At an address congruent to the offset modulo the alignment: only then can the kernel use entries of the page table as
// large as the alignment.
void* map_aligned(const MapRequest& request, size_t mapped, int protection, int flags) {
  if (request.alignment <= request.page_size && !request.must_align) {
    return mmap(nullptr, mapped, protection, flags, request.fd, request.offset);
  }
  const size_t span = mapped + request.alignment;
  void* reserved = span < mapped ? MAP_FAILED : reserve(nullptr, span, 0);
  if (reserved == MAP_FAILED) {
    if (!request.must_align) return mmap(nullptr, mapped, protection, flags, request.fd, request.offset);
    errno = ENOMEM;
    return MAP_FAILED;
  }
  const uintptr_t residue = static_cast<uintptr_t>(request.offset) & (request.alignment - 1);
  const uintptr_t begin = reinterpret_cast<uintptr_t>(reserved);
  const uintptr_t place = round_up(begin - residue, request.alignment) + residue;
  if (place > begin) munmap(reserved, place - begin);
  munmap(reinterpret_cast<void*>(place + mapped), begin + span - place - mapped);
  return map_over(reinterpret_cast<void*>(place), request, mapped, protection, flags);
}

// Maps where the caller says. EEXIST: something is there.
void* map_at(const MapRequest& request, size_t mapped, int protection, int flags) {
  void* wanted = reinterpret_cast<void*>(request.address);
  void* reserved = reserve(wanted, mapped, MAP_FIXED_NOREPLACE);
  if (reserved == MAP_FAILED) return MAP_FAILED;
  if (reserved != wanted) {  // kernels before 4.17 take the address for a hint
    munmap(reserved, mapped);
    errno = EEXIST;
    return MAP_FAILED;
  }
  return map_over(reserved, request, mapped, protection, flags);
}

void* map_shared(const MapRequest& request, size_t mapped, int protection, int flags) {
  return request.address == 0 ? map_aligned(request, mapped, protection, flags)
                              : map_at(request, mapped, protection, flags);
}

}  // namespace

int Mapping::create(const MapRequest& request, Mapping** result, const char** syscall) {
  *syscall = "mmap";
  const size_t mapped = round_up(request.length, request.page_size);
  if (request.length == 0 || mapped < request.length) return EINVAL;
  Mapping* mapping = new (std::nothrow) Mapping();
  if (mapping == nullptr) return ENOMEM;

  const int protection = PROT_READ | (request.writable ? PROT_WRITE : 0);
  const int populate = request.populate ? MAP_POPULATE : 0;
  void* address = MAP_FAILED;
  if (request.try_sync) {
    address = map_shared(request, mapped, protection, MAP_SHARED_VALIDATE | MAP_SYNC | populate);
    mapping->synchronous_ = address != MAP_FAILED;
  }
  // Kernels before 4.15 answer EINVAL to MAP_SHARED_VALIDATE, later ones EOPNOTSUPP to MAP_SYNC without DAX.
  if (address == MAP_FAILED && (!request.try_sync || errno == EOPNOTSUPP || errno == EINVAL)) {
    address = map_shared(request, mapped, protection, MAP_SHARED | populate);
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

  // A kernel without large pages (EINVAL) brings in none anyway.
  if (request.small_pages) madvise(address, mapped, MADV_NOHUGEPAGE);

  mapping->base_ = static_cast<uint8_t*>(address);
  mapping->length_ = request.length;
  mapping->page_size_ = request.page_size;
  mapping->writable_ = request.writable;
  mapping->read_back_ = request.read_back;
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
