#include "guard/fault.h"

#include <signal.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <new>

#include "arch/arch.h"
#include "arch/can_load.h"
#include "arch/registers.h"
#include "guard/handlers.h"
#include "guard/stand_in.h"
#include "guard/thread_state.h"
#include "mapping/mapping.h"

namespace pmem {

PMEM_THREAD_LOCAL GuardState guard_state;

namespace {

// ---- registered mappings: a list that only grows, read without locks -----------------------------------------------

struct Slot {
  std::atomic<uint32_t> version{0};  // odd while the slot changes
  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> end{0};
  std::atomic<Mapping*> mapping{nullptr};
};

struct Chunk {
  Slot slots[64];
  std::atomic<Chunk*> next{nullptr};
};

Chunk first_chunk;
std::mutex slots_mutex;

void fill_slot(Slot& slot, uintptr_t begin, uintptr_t end, Mapping* mapping) {
  slot.version.fetch_add(1, std::memory_order_acq_rel);
  slot.begin.store(begin, std::memory_order_release);
  slot.end.store(end, std::memory_order_release);
  slot.mapping.store(mapping, std::memory_order_release);
  slot.version.fetch_add(1, std::memory_order_acq_rel);
}

// The mapping that holds the address. It stays alive: the faulting thread is using it.
Mapping* find(uintptr_t address) {
  for (Chunk* chunk = &first_chunk; chunk != nullptr; chunk = chunk->next.load(std::memory_order_acquire)) {
    for (Slot& slot : chunk->slots) {
      const uint32_t version = slot.version.load(std::memory_order_acquire);
      const uintptr_t begin = slot.begin.load(std::memory_order_acquire);
      const uintptr_t end = slot.end.load(std::memory_order_acquire);
      Mapping* mapping = slot.mapping.load(std::memory_order_acquire);
      if (address < begin || address >= end || mapping == nullptr) continue;
      if ((version & 1) == 0 && slot.version.load(std::memory_order_acquire) == version) return mapping;
    }
  }
  return nullptr;
}

// ---- what the handler does -----------------------------------------------------------------------------------------

constexpr uintptr_t kPage = 4096;

// The kernel reports faults by page, so whole pages count.
bool within(const uint8_t* begin_byte, size_t length, const uint8_t* address) {
  if (begin_byte == nullptr || length == 0) return false;
  const uintptr_t begin = reinterpret_cast<uintptr_t>(begin_byte) & ~(kPage - 1);
  const uintptr_t end = (reinterpret_cast<uintptr_t>(begin_byte) + length + kPage - 1) & ~(kPage - 1);
  const uintptr_t at = reinterpret_cast<uintptr_t>(address);
  return at >= begin && at < end;
}

// Ends a load of pmem_can_load that has no page.
bool end_load(void* context) {
  if (instruction_of(context) != reinterpret_cast<uintptr_t>(pmem_load_may_fault)) return false;
  set_instruction_in(static_cast<ucontext_t*>(context), reinterpret_cast<uintptr_t>(pmem_load_failed));
  return true;
}

// Handles the kernel's report of corrupt memory that this thread did not touch. Persistent memory itself faults when it
// is touched, and nothing is lost before. A page of the page cache is gone with all that was stored into it, and the
// next touch reads the disk: so the mapping is damaged.
bool take_report(int signal, const siginfo_t* info) {
  if (signal != SIGBUS || info->si_code != BUS_MCEERR_AO) return false;
  const uint8_t* address = static_cast<const uint8_t*>(info->si_addr);
  Mapping* mapping = find(reinterpret_cast<uintptr_t>(address));
  if (mapping == nullptr) return false;
  if (!mapping->synchronous()) {
    mapping->mark_damaged(Damage::kCorruptPage, static_cast<size_t>(address - mapping->base()));
  }
  return true;
}

// The last fault outside of our own copies that this thread handled.
struct Handled {
  uintptr_t instruction;
  const uint8_t* address;
  uint64_t mapping;
  int times;
};

PMEM_THREAD_LOCAL Handled t_handled = {};

// Whether stand-ins were placed again and again, and the instruction still faults.
bool repeats(const Mapping* mapping, const void* context, const uint8_t* address) {
  constexpr int kMost = 16;
  const uintptr_t instruction = instruction_of(context);
  Handled& last = t_handled;
  if (last.instruction != instruction || last.address != address || last.mapping != mapping->identity()) {
    last = {instruction, address, mapping->identity(), 0};
  }
  return instruction != 0 && ++last.times > kMost;
}

// Places a stand-in where the fault was, so that the instruction can be repeated.
bool stand_in_for(int signal, const siginfo_t* info, const void* context) {
  uint8_t* address = static_cast<uint8_t*>(info->si_addr);
  Mapping* mapping = find(reinterpret_cast<uintptr_t>(address));
  if (mapping == nullptr || repeats(mapping, context, address)) return false;
  const size_t offset = static_cast<size_t>(address - mapping->base());
  if (signal == SIGBUS) {
    if (info->si_code == BUS_ADRALN) return false;  // the page is there, the access is wrong
    const bool is_corrupt = info->si_code == BUS_MCEERR_AR;
    return replace_lost(mapping, offset, is_corrupt, context);
  }
  // Only for a page that is there and may be read: protection keys and instruction fetches are others' faults.
  if (info->si_code != SEGV_ACCERR || instruction_of(context) == reinterpret_cast<uintptr_t>(address)) return false;
  return replace_read_only(mapping, offset, context);
}

void on_fault(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  if (take_report(signal, info)) return;
  if (is_synchronous(signal, info)) {
    if (end_load(context)) {
      errno = saved_errno;
      return;
    }
    GuardState& state = guard_state;
    const uint8_t* address = static_cast<const uint8_t*>(info->si_addr);
    const size_t length = state.length;
    if (state.armed && (within(state.memory, length, address) || within(state.other, length, address))) {
      state.armed = 0;
      state.fault = {signal, info->si_code, address};
      save_thread_state(context);
      errno = saved_errno;
      __builtin_longjmp(state.jump, 1);
    }
    if (stand_in_for(signal, info, context)) {
      errno = saved_errno;
      return;
    }
  }
  chain(signal, info, context, __builtin_frame_address(0));
  errno = saved_errno;
}

// What a handler may not do for the first time.
bool prepare() {
  locate_registers();
  reserve_mappings();
  return true;
}

}  // namespace

Fault first_fault() {
  const GuardState& state = guard_state;
  Fault fault = state.fault;
  // Loading from corrupt memory again would be another hardware error, and the hardware names the line.
  if (fault.signal != SIGBUS || fault.code == BUS_MCEERR_AR) return fault;
  const uint8_t* begin = within(state.memory, state.length, fault.address) ? state.memory : state.other;
  const uintptr_t last = reinterpret_cast<uintptr_t>(fault.address) & ~(kPage - 1);
  // The last page is not probed: it is gone for stores, even where it can be loaded.
  while (reinterpret_cast<uintptr_t>(begin) < last && pmem_can_load(begin)) {
    begin = reinterpret_cast<const uint8_t*>((reinterpret_cast<uintptr_t>(begin) | (kPage - 1)) + 1);
  }
  fault.address = begin;
  return fault;
}

int watch(Mapping* mapping) {
  [[maybe_unused]] static const bool ready = prepare();
  if (const int error = install(on_fault)) return error;
  const uintptr_t begin = reinterpret_cast<uintptr_t>(mapping->base());
  const size_t size = mapping->page_size();
  const uintptr_t end = begin + ((mapping->length() + size - 1) & ~(size - 1));
  const std::lock_guard<std::mutex> guard(slots_mutex);
  for (Chunk* chunk = &first_chunk;;) {
    for (Slot& slot : chunk->slots) {
      if (slot.mapping.load(std::memory_order_relaxed) != nullptr) continue;
      fill_slot(slot, begin, end, mapping);
      return 0;
    }
    Chunk* next = chunk->next.load(std::memory_order_relaxed);
    if (next == nullptr) {
      next = new (std::nothrow) Chunk();
      if (next == nullptr) return ENOMEM;
      chunk->next.store(next, std::memory_order_release);
    }
    chunk = next;
  }
}

void unwatch(Mapping* mapping) {
  const std::lock_guard<std::mutex> guard(slots_mutex);
  for (Chunk* chunk = &first_chunk; chunk != nullptr; chunk = chunk->next.load(std::memory_order_relaxed)) {
    for (Slot& slot : chunk->slots) {
      if (slot.mapping.load(std::memory_order_relaxed) == mapping) fill_slot(slot, 0, 0, nullptr);
    }
  }
}

}  // namespace pmem
