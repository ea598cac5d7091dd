#include "guard/stand_in.h"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "guard/fault.h"
#include "guard/handlers.h"
#include "mapping/mapping.h"
#include "system/say.h"

namespace pmem {

namespace {

constexpr size_t kPage = 4096;  // the unit in which the kernel reports faults
constexpr int kPrivate = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

// Bytes of a mapping.
struct Range {
  size_t begin;
  size_t length;
};

// ---- size -----------------------------------------------------------------------------------------------------------

constexpr size_t kStandInsOfALevel = 2048;
std::atomic<size_t> stand_ins{0};  // in this process

size_t power_of_two(size_t least) {
  size_t power = kPage;
  while (power < least) power <<= 1;
  return power;
}

// The block around the offset.
Range block_around(const Mapping* mapping, size_t offset, size_t size) {
  const size_t block = std::min(power_of_two(size), power_of_two(mapping->mapped()));
  const size_t begin = offset & ~(block - 1);
  return {begin, std::min(block, mapping->mapped() - begin)};
}

size_t block_size(const Mapping* mapping) {
  const size_t level = stand_ins.load(std::memory_order_relaxed) / kStandInsOfALevel;
  if (level == 0) return mapping->page_size();
  const size_t least = power_of_two(std::max(mapping->page_size(), mapping->mapped() / 4096));
  return level > 32 || least << (level - 1) > mapping->mapped() ? mapping->mapped() : least << (level - 1);
}

// ---- mappings set aside ---------------------------------------------------------------------------------------------

// Pages with and without access in turn: each is a mapping of its own.
constexpr size_t kReserved = 128;
constexpr size_t kTaken = 8;
uint8_t* reserve = nullptr;
std::atomic<size_t> reserve_used{0};

bool take_from_reserve() {
  if (reserve == nullptr) return false;
  size_t used = reserve_used.load(std::memory_order_relaxed);
  do {
    if (used >= kReserved) return false;
  } while (!reserve_used.compare_exchange_weak(used, used + kTaken, std::memory_order_relaxed));
  return munmap(reserve + used * kPage, kTaken * kPage) == 0;
}

// ---- placing --------------------------------------------------------------------------------------------------------

bool place_zeroes(const Mapping* mapping, const Range& range) {
  uint8_t* begin = mapping->base() + range.begin;
  if (mmap(begin, range.length, PROT_READ | PROT_WRITE, kPrivate | MAP_FIXED, -1, 0) == MAP_FAILED) return false;
  mapping->advise(begin, range.length);
  return true;
}

// A page of zeroes needs no copy. A page that is gone becomes zeroes.
void copy_page(uint8_t* from, uint8_t* to) {
  Fault ignored;
  with_fault_guard(from, to, kPage, &ignored, [](uint8_t* source, uint8_t* target, size_t length) {
    const uint64_t* words = reinterpret_cast<const uint64_t*>(source);
    uint64_t any = 0;
    for (size_t i = 0; i < length / sizeof(uint64_t); i++) any |= words[i];
    if (any != 0) memcpy(target, source, length);
  });
}

// A fault on the way comes to the handler again, from within it.
bool place_copy(const Mapping* mapping, const Range& range) {
  void* copy = mmap(nullptr, range.length, PROT_READ | PROT_WRITE, kPrivate, -1, 0);
  if (copy == MAP_FAILED) return false;
  mapping->advise(copy, range.length);
  uint8_t* begin = mapping->base() + range.begin;
  for (size_t at = 0; at < range.length; at += kPage) copy_page(begin + at, static_cast<uint8_t*>(copy) + at);
  if (mremap(copy, range.length, range.length, MREMAP_MAYMOVE | MREMAP_FIXED, begin) != MAP_FAILED) return true;
  const int error = errno;
  munmap(copy, range.length);
  errno = error;
  return false;
}

// A fault within the handler needs room on the stack for another frame, with all registers of the CPU.
bool has_room(const void* context) {
  stack_t stack;
  if (context == nullptr || sigaltstack(nullptr, &stack) != 0) return false;
  const stack_t& before = static_cast<const ucontext_t*>(context)->uc_stack;
  const bool disarmed = before.ss_sp != nullptr && (stack.ss_flags & SS_DISABLE) != 0;
  if ((stack.ss_flags & SS_ONSTACK) == 0 && !disarmed) return true;
  const uintptr_t here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  const uintptr_t bottom = reinterpret_cast<uintptr_t>(disarmed ? before.ss_sp : stack.ss_sp);
  return here - bottom > (64 << 10);
}

// With a copy of what the pages hold, unless it is one page that is gone.
bool place(const Mapping* mapping, const Range& range, bool is_lost) {
  const bool alone = range.length <= mapping->page_size();
  return alone && is_lost ? place_zeroes(mapping, range) : place_copy(mapping, range);
}

// A stand-in of the size that the count asks for. Where the kernel refuses it, a larger one, with some of the mappings
// set aside, which are enough for all of one mapping. The reason can be another, so one page is tried, too.
bool place_some(const Mapping* mapping, size_t offset, bool is_lost, const void* context) {
  const Range page = block_around(mapping, offset, mapping->page_size());
  // Copying a block can meet pages that are gone.
  if (!has_room(context)) return place(mapping, page, is_lost);
  const Range wanted = block_around(mapping, offset, block_size(mapping));
  if (place(mapping, wanted, is_lost)) return true;
  const Range more = block_around(mapping, offset, std::max(wanted.length, mapping->mapped() / 16));
  if (take_from_reserve() && place(mapping, more, is_lost)) return true;
  return place(mapping, page, is_lost) || place(mapping, {0, mapping->mapped()}, is_lost);
}

// If the offset is past the end of the file: from the end of the file to the end of the extent, or to the stand-in of
// an earlier truncation.
bool place_past_end(Mapping* mapping, size_t offset) {
  Range tail;
  if (!mapping->past_end(offset, &tail.begin, &tail.length)) return false;
  if (!place_zeroes(mapping, tail) && !(take_from_reserve() && place_zeroes(mapping, tail))) return false;
  mapping->note_tail(tail.begin, tail.length);
  return true;
}

// Whether another thread has placed something there since the fault.
bool is_over(const Mapping* mapping, size_t offset, bool by_storing) {
  Fault ignored;
  return with_fault_guard(mapping->base() + offset, nullptr, 1, &ignored,
                          [by_storing](uint8_t* byte, uint8_t*, size_t) {
                            // ORs nothing in: a store that changes nothing.
                            if (by_storing) {
                              __atomic_fetch_or(byte, 0, __ATOMIC_RELAXED);
                            } else {
                              static_cast<void>(*const_cast<volatile uint8_t*>(byte));
                            }
                          });
}

// One at a time: a stand-in must not replace what a Buffer stored into another one.
template <typename Place>
bool one_at_a_time(Mapping* mapping, size_t offset, bool by_storing, const void* context, const Place& place) {
  const size_t seen = mapping->stand_ins();
  const BlockedSignals blocked;
  const GuardState outer = guard_state;
  while (!mapping->begin_placing()) {
  }
  const size_t now = mapping->stand_ins();
  // Without room for a look: if the fault is not over, it comes again.
  bool done = now != 0 && (has_room(context) ? is_over(mapping, offset, by_storing) : now != seen);
  if (!done && place()) {
    mapping->add_stand_in();
    stand_ins.fetch_add(1, std::memory_order_relaxed);
    done = true;
  }
  mapping->end_placing();
  guard_state = outer;
  return done;
}

// ---- saying so ------------------------------------------------------------------------------------------------------

// Once for a mapping.
void tell(Mapping* mapping, const char* sentence) {
  if (mapping->tells_first()) say(sentence, strlen(sentence));
}

}  // namespace

void reserve_mappings() {
  void* found = mmap(nullptr, kReserved * kPage, PROT_NONE, kPrivate, -1, 0);
  if (found == MAP_FAILED) return;
  reserve = static_cast<uint8_t*>(found);
  for (size_t i = 0; i < kReserved; i += 2) mprotect(reserve + i * kPage, kPage, PROT_READ);
}

// Marked first: whoever sees the stand-in must see the damage, too.
bool replace_lost(Mapping* mapping, size_t offset, bool is_corrupt, const void* context) {
  // The fault came before the mapping ended: private memory is there now. Unless that is corrupt itself.
  if (mapping->ended() && !is_corrupt) return true;
  mapping->mark_damaged(is_corrupt ? Damage::kCorruptPage : Damage::kLostPage, offset);
  // `writable`: on a full disk, pages that are not there can be read.
  const bool done = one_at_a_time(mapping, offset, mapping->writable(), context, [&] {
    return (!is_corrupt && place_past_end(mapping, offset)) || place_some(mapping, offset, true, context);
  });
  // Stores through a Buffer cannot throw; calls can.
  if (done && !guard_state.flushing && !mapping->ended()) {
    tell(mapping, is_corrupt ? "pmem: the hardware reported corrupt memory; its region fails until it is opened again\n"
                             : "pmem: a Buffer touched a page that is gone (file truncated, media error or disk full); "
                               "its region fails until it is opened again\n");
  }
  return done;
}

bool replace_read_only(Mapping* mapping, size_t offset, const void* context) {
  if (mapping->ended()) {
    // The private memory is read-only, because memory was short when the mapping ended.
    const Range page = block_around(mapping, offset, mapping->page_size());
    return one_at_a_time(mapping, offset, true, context, [&] { return place_zeroes(mapping, page); });
  }
  if (mapping->writable()) return false;
  mapping->mark_damaged(Damage::kReadOnlyViolated, offset);
  const bool done =
      one_at_a_time(mapping, offset, true, context, [&] { return place_some(mapping, offset, false, context); });
  if (done) {
    tell(mapping,
         "pmem: a store into a Buffer of a read-only region was kept away from the file; "
         "the region fails until it is opened again\n");
  }
  return done;
}

void forget_stand_ins(size_t count) { stand_ins.fetch_sub(count, std::memory_order_relaxed); }

}  // namespace pmem
