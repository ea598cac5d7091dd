#include "durable.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "copy.h"
#include "cpu.h"
#include "crc32c.h"

namespace pmem {

namespace {

constexpr GuardedRange kNoRange = {nullptr, 0};

int sync_pages(const Span& span) {
  static const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = reinterpret_cast<uintptr_t>(span.begin()) & ~(uintptr_t{page} - 1);
  const uintptr_t end = reinterpret_cast<uintptr_t>(span.begin()) + span.length;
  if (msync(reinterpret_cast<void*>(begin), end - begin, MS_SYNC) == 0) return kOk;
  const int error = errno;
  // The kernel marks pages clean even when writing them failed, so that the next msync would succeed without cause.
  span.mapping->mark_damaged(Damage::kSyncFailed, span.offset);
  return error;
}

// Posted writes to a PCI device have arrived when a later load from it returns.
int wait_for_stores(Mapping* mapping, Fault* fault) {
  fence();
  if (!mapping->read_back()) return kOk;
  const GuardedRange first = {mapping->base(), 4};
  const bool done = guarded(
      first, kNoRange, [&] { static_cast<void>(*reinterpret_cast<volatile uint32_t*>(mapping->base())); }, fault);
  return done ? kOk : kFault;
}

// A page that is gone when its lines are flushed takes stores with it that were made before: not a fault of this call
// alone, but damage. So nothing has to be saved for coming back, which would cost a tenth of a persist.
int flush_lines(const Span& span) {
  GuardState& state = guard_state();
  state.flushing = 1;
  kernels.flush(span.begin(), span.length);
  state.flushing = 0;
  return span.mapping->damage() == Damage::kNone ? kOk : kDamaged;
}

int check(const Span& span) {
  if (span.mapping->damage() != Damage::kNone) return kDamaged;
  if (!span.mapping->writable()) return kReadOnly;
  return kOk;
}

// Runs one of the two ways to store, then does what is left to do for the completion asked for.
template <typename Plain, typename Flushed>
int store(const Span& span, const GuardedRange& source, Completion completion, const Plain& plain,
          const Flushed& flushed, Fault* fault) {
  if (const int refused = check(span)) return refused;
  const Granularity granularity = span.mapping->granularity();
  if (completion != Completion::kStore && granularity == Granularity::kNever) return kVolatile;
  const bool by_cache_line = granularity == Granularity::kByte || granularity == Granularity::kCacheLine;
  const bool done = completion == Completion::kStore || !by_cache_line ? guarded(span.range(), source, plain, fault)
                                                                       : guarded(span.range(), source, flushed, fault);
  if (!done) return kFault;
  if (completion == Completion::kStore) return kOk;
  if (by_cache_line) return completion == Completion::kPersist ? wait_for_stores(span.mapping, fault) : kOk;
  return completion == Completion::kPersist ? persist(span, fault) : flush(span);
}

}  // namespace

int flush(const Span& span) {
  if (const int refused = check(span)) return refused;
  if (span.length == 0) return kOk;
  switch (span.mapping->granularity()) {
    case Granularity::kByte:
      return kOk;
    case Granularity::kCacheLine:
      return flush_lines(span);
    case Granularity::kPage:
      span.mapping->announce(span.offset, span.length);
      return kOk;
    default:
      return kVolatile;
  }
}

int drain(Mapping* mapping, Fault* fault) {
  if (mapping->damage() != Damage::kNone) return kDamaged;
  switch (mapping->granularity()) {
    case Granularity::kByte:
    case Granularity::kCacheLine:
      return wait_for_stores(mapping, fault);
    case Granularity::kPage: {
      const std::lock_guard<std::mutex> guard(mapping->drain_mutex());
      if (mapping->damage() != Damage::kNone) return kDamaged;
      Span announced = {mapping, 0, 0};
      return mapping->take_announced(&announced.offset, &announced.length) ? sync_pages(announced) : kOk;
    }
    default:
      return kVolatile;
  }
}

int persist(const Span& span, Fault* fault) {
  if (const int refused = check(span)) return refused;
  switch (span.mapping->granularity()) {
    case Granularity::kCacheLine:
      if (const int failed = flush_lines(span)) return failed;
      return wait_for_stores(span.mapping, fault);
    case Granularity::kByte:
      return wait_for_stores(span.mapping, fault);
    case Granularity::kPage:
      return span.length == 0 ? kOk : sync_pages(span);
    default:
      return kVolatile;
  }
}

int write(const Span& span, const uint8_t* source, Completion completion, Fault* fault) {
  return store(
      span, {source, span.length}, completion, [&] { memmove(span.begin(), source, span.length); },
      [&] { copy_and_flush(span.begin(), source, span.length); }, fault);
}

int fill(const Span& span, uint8_t byte, Completion completion, Fault* fault) {
  return store(
      span, kNoRange, completion, [&] { memset(span.begin(), byte, span.length); },
      [&] { fill_and_flush(span.begin(), byte, span.length); }, fault);
}

int read(const Span& span, uint8_t* target, Fault* fault) {
  if (span.mapping->damage() != Damage::kNone) return kDamaged;
  const bool done =
      guarded(span.range(), {target, span.length}, [&] { memmove(target, span.begin(), span.length); }, fault);
  return done ? kOk : kFault;
}

int load64(const Span& span, uint64_t* value, Fault* fault) {
  if (span.mapping->damage() != Damage::kNone) return kDamaged;
  if (span.offset % 8 != 0) return kRange;
  const uint64_t* word = reinterpret_cast<const uint64_t*>(span.begin());
  const bool done = guarded(span.range(), kNoRange, [&] { *value = __atomic_load_n(word, __ATOMIC_ACQUIRE); }, fault);
  return done ? kOk : kFault;
}

int store64(const Span& span, uint64_t value, Fault* fault) {
  if (const int refused = check(span)) return refused;
  if (span.offset % 8 != 0) return kRange;
  uint64_t* word = reinterpret_cast<uint64_t*>(span.begin());
  const bool done = guarded(span.range(), kNoRange, [&] { __atomic_store_n(word, value, __ATOMIC_RELEASE); }, fault);
  return done ? kOk : kFault;
}

int crc32c(const Span& span, uint32_t* crc, Fault* fault) {
  if (span.mapping->damage() != Damage::kNone) return kDamaged;
  const bool done = guarded(span.range(), kNoRange, [&] { *crc = crc32c(*crc, span.begin(), span.length); }, fault);
  return done ? kOk : kFault;
}

}  // namespace pmem
