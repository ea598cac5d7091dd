#include "store/durable.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "arch/arch.h"
#include "store/copy.h"
#include "store/crc32c.h"
#include "system/uninterrupted.h"

namespace pmem {

namespace {

// This thread made non-temporal stores and no fence since. x86 orders them with no later store, so another thread could
// see a later store first. Large copies in mode flush end without a fence all the same: a fence takes 270 ns, as long
// as a copy of 4 KiB, and most copies are followed by a drain, not by a word that announces them.
PMEM_THREAD_LOCAL bool unordered = false;

// Before a store that may announce earlier ones to other threads.
void order_stores() {
  if (!unordered) return;
  fence();
  unordered = false;
}

// Looked at before a copy and after it: in between, a Buffer of another thread can have had a page replaced by private
// memory.
int undamaged(const Span& span) { return span.mapping->damage() == Damage::kNone ? kOk : kDamaged; }

// Stores past the end of a truncated file are in no file, whether they faulted or not. To be called after the stores: a
// later truncation removes what was there.
int in_file(Mapping* mapping, off_t end) { return mapping->reaches(end) ? kOk : kDamaged; }

off_t take_flushed(const Span& span) {
  const off_t end = *span.flushed_end;
  if (end != 0) *span.flushed_end = 0;
  return end;
}

// `end`: how far the file must reach for what was noted dirty.
int sync_pages(const Span& span, off_t end) {
  static const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = reinterpret_cast<uintptr_t>(span.begin()) & ~(uintptr_t{page} - 1);
  const uintptr_t last = reinterpret_cast<uintptr_t>(span.begin()) + span.length;
  const auto sync = [=] { return msync(reinterpret_cast<void*>(begin), last - begin, MS_SYNC); };
  // msync reports nothing of pages that a truncation removed. It takes so long that asking the kernel for the size
  // costs little beside it.
  if (uninterrupted(sync) == 0) return span.mapping->reaches_now(end) ? undamaged(span) : kDamaged;
  const int error = errno;
  // The kernel marks pages clean even when writing them failed, so the next msync would succeed without cause.
  span.mapping->mark_damaged(Damage::kSyncFailed, span.offset);
  return error;
}

// Under a mutex: the drain of another thread that took dirty bytes of ours must have synced them before ours returns.
int sync_dirty(const Span& span) {
  Mapping* const mapping = span.mapping;
  const off_t flushed_end = take_flushed(span);
  const std::lock_guard<std::mutex> guard(mapping->drain_mutex());
  if (mapping->damage() != Damage::kNone) return kDamaged;
  Span dirty = span;
  off_t end = 0;
  if (mapping->take_dirty(&dirty.offset, &dirty.length, &end)) return sync_pages(dirty, std::max(end, flushed_end));
  // Another thread synced what this one flushed. The file can have been truncated since.
  return mapping->reaches_now(flushed_end) ? kOk : kDamaged;
}

// `end`: how far the file must reach for what was stored. On a PCI device posted writes have arrived when a later load
// returns.
int wait_for_stores(const Span& span, off_t end, Fault* fault) {
  fence();
  unordered = false;
  Mapping* const mapping = span.mapping;
  if (const int failed = in_file(mapping, std::max(end, take_flushed(span)))) return failed;
  if (!mapping->read_back()) return kOk;
  const auto load = [](const uint8_t* first, uint8_t*, size_t) {
    static_cast<void>(*reinterpret_cast<const volatile uint32_t*>(first));
  };
  return with_fault_guard(mapping->base(), nullptr, sizeof(uint32_t), fault, load) ? kOk : kFault;
}

// Not guarded, which would cost a tenth of a persist. A page that is gone when its lines are flushed loses earlier
// stores, too: that is damage of the mapping, not a fault of this call alone.
int flush_lines(const Span& span) {
  if (span.mapping->granularity() == Granularity::kByte) return undamaged(span);
  guard_state.flushing = 1;
  kernels.flush(span.begin(), span.length);
  guard_state.flushing = 0;
  return undamaged(span);
}

off_t end_in_file(const Span& span) { return span.mapping->end_in_file(span.offset, span.length); }

void note_flushed(const Span& span, off_t end) {
  if (end > *span.flushed_end) *span.flushed_end = end;
}

// The stores are in the file now, and the next drain checks that they still are.
int finish_flush(const Span& span) {
  const off_t end = end_in_file(span);
  note_flushed(span, end);
  return in_file(span.mapping, end);
}

int check(const Span& span) {
  if (const int damaged = undamaged(span)) return damaged;
  if (!span.mapping->writable()) return kReadOnly;
  return kOk;
}

// Stores in one of two ways, then does what the completion still needs.
template <typename Plain, typename Flushed>
int store(const Span& span, const uint8_t* source, Completion completion, Fault* fault, Plain plain, Flushed flushed) {
  if (const int refused = check(span)) return refused;
  const Granularity granularity = span.mapping->granularity();
  const bool by_cache_line = granularity == Granularity::kByte || granularity == Granularity::kCacheLine;
  uint8_t* other = const_cast<uint8_t*>(source);  // only read
  if (completion == Completion::kStore) {
    return with_fault_guard(span.begin(), other, span.length, fault, plain) ? undamaged(span) : kFault;
  }
  if (by_cache_line) {
    if (may_be_unordered(span.length)) unordered = true;
    if (!with_fault_guard(span.begin(), other, span.length, fault, flushed)) return kFault;
    if (const int failed = undamaged(span)) return failed;
    if (completion == Completion::kFlush) return finish_flush(span);
    return wait_for_stores(span, end_in_file(span), fault);
  }
  if (granularity == Granularity::kNever) return kVolatile;
  if (!with_fault_guard(span.begin(), other, span.length, fault, plain)) return kFault;
  return completion == Completion::kPersist ? persist(span, fault) : flush(span);
}

}  // namespace

int flush(const Span& span) {
  if (const int refused = check(span)) return refused;
  if (span.length == 0) return kOk;
  switch (span.mapping->granularity()) {
    case Granularity::kByte:
    case Granularity::kCacheLine:
      if (const int failed = flush_lines(span)) return failed;
      return finish_flush(span);
    case Granularity::kPage:
      span.mapping->note_dirty(span.offset, span.length);
      note_flushed(span, end_in_file(span));
      return kOk;
    default:
      return kVolatile;
  }
}

int drain(const Span& span, Fault* fault) {
  if (const int damaged = undamaged(span)) return damaged;
  switch (span.mapping->granularity()) {
    case Granularity::kByte:
    case Granularity::kCacheLine:
      return wait_for_stores(span, 0, fault);
    case Granularity::kPage:
      return sync_dirty(span);
    default:
      return kVolatile;
  }
}

int persist(const Span& span, Fault* fault) {
  if (const int refused = check(span)) return refused;
  switch (span.mapping->granularity()) {
    case Granularity::kByte:
    case Granularity::kCacheLine:
      if (const int failed = flush_lines(span)) return failed;
      return wait_for_stores(span, end_in_file(span), fault);
    case Granularity::kPage:
      // What was flushed before has to become durable, too: one msync covers both.
      if (span.length > 0) span.mapping->note_dirty(span.offset, span.length);
      return sync_dirty(span);
    default:
      return kVolatile;
  }
}

int check_file(const Span& span) {
  if (const int damaged = undamaged(span)) return damaged;
  return span.mapping->reaches_now(end_in_file(span)) ? kOk : kDamaged;
}

int write(const Span& span, const uint8_t* source, Completion completion, Fault* fault) {
  const uint8_t* bytes = span.length == 0 ? span.begin() : source;  // an empty array has no address
  return store(
      span, bytes, completion, fault,
      [](uint8_t* target, const uint8_t* from, size_t length) { memmove(target, from, length); },
      [](uint8_t* target, const uint8_t* from, size_t length) { copy_and_flush(target, from, length); });
}

int fill(const Span& span, uint8_t byte, Completion completion, Fault* fault) {
  return store(
      span, nullptr, completion, fault,
      [byte](uint8_t* target, const uint8_t*, size_t length) { memset(target, byte, length); },
      [byte](uint8_t* target, const uint8_t*, size_t length) { fill_and_flush(target, byte, length); });
}

int read(const Span& span, uint8_t* target, Fault* fault) {
  if (span.mapping->damage() != Damage::kNone) return kDamaged;
  if (span.length == 0) return kOk;  // an empty array has no address
  const auto copy = [](const uint8_t* memory, uint8_t* to, size_t length) { copy_from_pmem(to, memory, length); };
  return with_fault_guard(span.begin(), target, span.length, fault, copy) ? undamaged(span) : kFault;
}

int load64(const Span& span, uint64_t* value, Fault* fault) {
  if (span.mapping->damage() != Damage::kNone) return kDamaged;
  if (span.offset % 8 != 0) return kRange;
  const auto load = [value](const uint8_t* memory, uint8_t*, size_t) {
    *value = __atomic_load_n(reinterpret_cast<const uint64_t*>(memory), __ATOMIC_ACQUIRE);
  };
  return with_fault_guard(span.begin(), nullptr, sizeof(uint64_t), fault, load) ? undamaged(span) : kFault;
}

int store64(const Span& span, uint64_t value, Fault* fault) {
  if (const int refused = check(span)) return refused;
  if (span.offset % 8 != 0) return kRange;
  order_stores();
  const auto store = [value](uint8_t* memory, uint8_t*, size_t) {
    __atomic_store_n(reinterpret_cast<uint64_t*>(memory), value, __ATOMIC_RELEASE);
  };
  return with_fault_guard(span.begin(), nullptr, sizeof(uint64_t), fault, store) ? undamaged(span) : kFault;
}

int crc32c(const Span& span, uint32_t* crc, Fault* fault) {
  if (span.mapping->damage() != Damage::kNone) return kDamaged;
  const auto sum = [crc](const uint8_t* memory, uint8_t*, size_t length) { *crc = crc32c(*crc, memory, length); };
  return with_fault_guard(span.begin(), nullptr, span.length, fault, sum) ? undamaged(span) : kFault;
}

}  // namespace pmem
