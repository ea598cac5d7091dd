#include "fault.h"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <new>

#include "mapping.h"

namespace pmem {

PMEM_THREAD_LOCAL GuardState guard_state;

namespace {

// ---- the mappings that the handler knows: a list that only grows, read without locks -------------------------------

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

// Faults are told by page, so whole pages count.
bool within(const uint8_t* begin_byte, size_t length, const uint8_t* address) {
  constexpr uintptr_t kPage = 4096;
  if (begin_byte == nullptr || length == 0) return false;
  const uintptr_t begin = reinterpret_cast<uintptr_t>(begin_byte) & ~(kPage - 1);
  const uintptr_t end = (reinterpret_cast<uintptr_t>(begin_byte) + length + kPage - 1) & ~(kPage - 1);
  const uintptr_t at = reinterpret_cast<uintptr_t>(address);
  return at >= begin && at < end;
}

void warn(const char* sentence) {
  const ssize_t ignored = write(STDERR_FILENO, sentence, strlen(sentence));
  static_cast<void>(ignored);
}

// Whether the signal stands for the instruction that it interrupted. News of corrupt memory (BUS_MCEERR_AO: another
// process met it, or nobody yet) comes from the kernel too, but interrupts anything.
bool is_synchronous(int signal, const siginfo_t* info) {
  return info->si_code > 0 && !(signal == SIGBUS && info->si_code == BUS_MCEERR_AO);
}

// Takes note of such news about a mapping of ours. Persistent memory itself tells whoever touches it, and until then
// nothing is lost. A page of the page cache is gone, with all that was stored into it, and the next touch reads the
// disk.
bool take_news(int signal, const siginfo_t* info) {
  if (signal != SIGBUS || info->si_code != BUS_MCEERR_AO) return false;
  const uint8_t* address = static_cast<const uint8_t*>(info->si_addr);
  Mapping* mapping = find(reinterpret_cast<uintptr_t>(address));
  if (mapping == nullptr) return false;
  if (!mapping->synchronous()) {
    mapping->mark_damaged(Damage::kCorruptPage, static_cast<size_t>(address - mapping->base()));
  }
  return true;
}

// Puts private memory where the faulting page was, so that the interrupted instruction can be repeated.
bool replace_page(int signal, const siginfo_t* info) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(info->si_addr);
  Mapping* mapping = find(address);
  if (mapping == nullptr) return false;
  const size_t size = mapping->page_size();
  uint8_t* page = reinterpret_cast<uint8_t*>(address & ~(uintptr_t{size} - 1));
  const size_t offset = static_cast<size_t>(reinterpret_cast<const uint8_t*>(address) - mapping->base());

  if (signal == SIGBUS && info->si_code == BUS_ADRALN) return false;  // the page is there, the access is wrong
  // Marked first: who sees the page that takes its place must see the damage too.
  if (signal == SIGBUS) {
    const bool is_corrupt = info->si_code == BUS_MCEERR_AR;
    mapping->mark_damaged(is_corrupt ? Damage::kCorruptPage : Damage::kLostPage, offset);
    void* placed = mmap(page, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (placed == MAP_FAILED) return false;
    mapping->advise(page, size);
    // Stores through a Buffer cannot throw; calls can.
    if (!guard_state.flushing) {
      warn(is_corrupt ? "pmem: the hardware reported corrupt memory; its region fails until it is opened again\n"
                      : "pmem: a Buffer touched a page that is gone (file truncated, media error or disk full); "
                        "its region fails until it is opened again\n");
    }
    return true;
  }
  if (signal == SIGSEGV && !mapping->writable()) {
    void* copy = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (copy == MAP_FAILED) return false;
    memcpy(copy, page, size);
    mapping->advise(copy, size);
    mapping->mark_damaged(Damage::kReadOnlyViolated, offset);
    if (mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, page) == MAP_FAILED) return false;
    warn(
        "pmem: a store into a Buffer of a read-only region was kept away from the file; "
        "the region fails until it is opened again\n");
    return true;
  }
  return false;
}

// ---- the handlers before ours --------------------------------------------------------------------------------------

struct Previous {
  struct sigaction first;   // what was there when ours was installed
  struct sigaction latest;  // what took our place since, and now stands behind us
};

constexpr int kSignals[] = {SIGBUS, SIGSEGV};
Previous previous[2];
std::mutex install_mutex;
bool installed = false;

// The signal that this thread is passing on to others, and the frame it does so from.
struct Chaining {
  const void* context;
  const void* frame;
};

PMEM_THREAD_LOCAL Chaining t_chaining = {};

bool is_default(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL;
}

bool is_ignore(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_IGN;
}

void die_by_default(int signal, const siginfo_t* info) {
  struct sigaction fallback = {};
  fallback.sa_handler = SIG_DFL;
  sigaction(signal, &fallback, nullptr);
  // A faulting instruction is repeated on return and kills with the right core; a sent signal must be sent again.
  if (!is_synchronous(signal, info)) raise(signal);
}

// Calls the handler behind ours as the kernel would have called it.
void chain(int signal, siginfo_t* info, void* context, const void* frame) {
  Previous& behind = previous[signal == SIGBUS ? 0 : 1];
  // A handler that took our place and kept us as its own predecessor leads back here, with the same context and from
  // deeper in the stack: go to the first one. What is noted here may be out of date: handlers also leave by siglongjmp.
  const bool nested = t_chaining.context == context && frame < t_chaining.frame;
  struct sigaction& there = nested ? behind.first : behind.latest;
  const struct sigaction action = there;
  if (is_default(action) || (is_ignore(action) && is_synchronous(signal, info))) {
    die_by_default(signal, info);
    return;
  }
  if (is_ignore(action)) return;
  if (action.sa_flags & static_cast<int>(SA_RESETHAND)) {
    there.sa_flags = 0;
    there.sa_handler = SIG_DFL;
  }

  sigset_t mask = action.sa_mask;
  if ((action.sa_flags & SA_NODEFER) == 0) sigaddset(&mask, signal);
  sigset_t before;
  // Of this thread, on Linux; pthread_sigmask, the same function, would tie the binary to glibc 2.32.
  sigprocmask(SIG_BLOCK, &mask, &before);
  const Chaining outer = t_chaining;
  t_chaining = {context, frame};
  if (action.sa_flags & SA_SIGINFO) {
    action.sa_sigaction(signal, info, context);
  } else {
    action.sa_handler(signal);
  }
  t_chaining = outer;
  sigprocmask(SIG_SETMASK, &before, nullptr);
}

// Where a handler in front of ours called it, that handler's signals are blocked; the jump leaves that handler too.
void restore_mask(const void* context) {
  if (context == nullptr) return;
  sigprocmask(SIG_SETMASK, &static_cast<const ucontext_t*>(context)->uc_sigmask, nullptr);
}

void on_fault(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  if (take_news(signal, info)) return;
  if (is_synchronous(signal, info)) {
    GuardState& state = guard_state;
    const uint8_t* address = static_cast<const uint8_t*>(info->si_addr);
    const size_t length = state.length;
    if (state.armed && (within(state.memory, length, address) || within(state.other, length, address))) {
      state.armed = 0;
      state.fault = {signal, info->si_code, address};
      restore_mask(context);
      errno = saved_errno;
      __builtin_longjmp(state.jump, 1);
    }
    if (replace_page(signal, info)) {
      errno = saved_errno;
      return;
    }
  }
  chain(signal, info, context, __builtin_frame_address(0));
  errno = saved_errno;
}

// Others may have installed a handler since; whoever comes later stands behind us again from the next mapping on.
bool install() {
  const std::lock_guard<std::mutex> guard(install_mutex);
  for (size_t i = 0; i < 2; i++) {
    struct sigaction current;
    if (sigaction(kSignals[i], nullptr, &current) != 0) return false;
    if ((current.sa_flags & SA_SIGINFO) && current.sa_sigaction == on_fault) continue;
    if (!installed) previous[i].first = current;
    previous[i].latest = current;
    struct sigaction ours = {};
    ours.sa_sigaction = on_fault;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigemptyset(&ours.sa_mask);
    if (sigaction(kSignals[i], &ours, nullptr) != 0) return false;
  }
  installed = true;
  return true;
}

}  // namespace

bool guard_signals() { return install(); }

bool watch(Mapping* mapping) {
  if (!install()) return false;
  const uintptr_t begin = reinterpret_cast<uintptr_t>(mapping->base());
  const size_t size = mapping->page_size();
  const uintptr_t end = begin + ((mapping->length() + size - 1) & ~(size - 1));
  const std::lock_guard<std::mutex> guard(slots_mutex);
  for (Chunk* chunk = &first_chunk;;) {
    for (Slot& slot : chunk->slots) {
      if (slot.mapping.load(std::memory_order_relaxed) != nullptr) continue;
      fill_slot(slot, begin, end, mapping);
      return true;
    }
    Chunk* next = chunk->next.load(std::memory_order_relaxed);
    if (next == nullptr) {
      next = new (std::nothrow) Chunk();
      if (next == nullptr) return false;
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
