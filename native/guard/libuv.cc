#include "guard/libuv.h"

#include <link.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <uv.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>

// Runtimes other than Node.js lack these; there is nothing to do there.
#pragma weak uv_handle_size
#pragma weak uv_loop_init
#pragma weak uv_loop_size
#pragma weak uv_signal_init
#pragma weak uv_signal_start
#pragma weak uv_signal_stop

namespace pmem {

// What all copies share. A change of its layout needs another type of the note below.
struct SharedSignals {
  std::atomic_flag changing;
  std::atomic<bool> knows_libuv;
  struct sigaction libuv;
  uv_loop_t* loop;  // never runs
  uv_signal_t* handles[kSignalCount];
  bool started[kSignalCount];
};

}  // namespace pmem

// Zero when the addon is loaded, before any constructor runs: another copy may use it first.
extern "C" __attribute__((visibility("hidden"))) pmem::SharedSignals pmem_shared_signals;
pmem::SharedSignals pmem_shared_signals;

// By this note copies find each other's: name, length of the descriptor, type; the descriptor is the distance from
// itself.
__asm__(
    ".pushsection .note.pmem.signals, \"a\", %note\n"
    ".balign 4\n"
    ".long 13\n"
    ".long 8\n"
    ".long 1\n"
    ".asciz \"pmem-signals\"\n"
    ".balign 4\n"
    "1: .quad pmem_shared_signals - 1b\n"
    ".popsection\n");

namespace pmem {

namespace {

constexpr char kNoteName[] = "pmem-signals";
constexpr uint32_t kNoteType = 1;

struct NoteHeader {
  uint32_t name_size;
  uint32_t descriptor_size;
  uint32_t type;
};

size_t padded(size_t size, size_t alignment) { return (size + alignment - 1) & ~(alignment - 1); }

const uint8_t* descriptor_in(const uint8_t* notes, size_t size, size_t alignment) {
  for (size_t at = 0; at + sizeof(NoteHeader) <= size;) {
    NoteHeader header;
    memcpy(&header, notes + at, sizeof(header));
    const size_t name = at + sizeof(header);
    const size_t descriptor = at + padded(sizeof(header) + header.name_size, alignment);
    const size_t next = descriptor + padded(header.descriptor_size, alignment);
    if (next < at || next > size) return nullptr;
    if (header.type == kNoteType && header.name_size == sizeof(kNoteName) && header.descriptor_size == 8 &&
        memcmp(notes + name, kNoteName, sizeof(kNoteName)) == 0) {
      return notes + descriptor;
    }
    at = next;
  }
  return nullptr;
}

int find_shared(dl_phdr_info* object, size_t, void* result) {
  for (size_t i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr) & header = object->dlpi_phdr[i];
    if (header.p_type != PT_NOTE) continue;
    const uint8_t* notes = reinterpret_cast<const uint8_t*>(object->dlpi_addr + header.p_vaddr);
    const uint8_t* found = descriptor_in(notes, header.p_memsz, header.p_align == 8 ? 8 : 4);
    if (found == nullptr) continue;
    int64_t distance;
    memcpy(&distance, found, sizeof(distance));
    const uintptr_t place = reinterpret_cast<uintptr_t>(found) + static_cast<uintptr_t>(distance);
    *static_cast<SharedSignals**>(result) = reinterpret_cast<SharedSignals*>(place);
    return 1;
  }
  return 0;
}

// Objects are visited in the order in which they were loaded, and the addon is never unloaded: all copies find the
// same.
SharedSignals* first_copy() {
  SharedSignals* found = &pmem_shared_signals;
  dl_iterate_phdr(find_shared, &found);
  return found;
}

// Looked for when the addon is loaded: a handler may not.
SharedSignals& shared = *first_copy();

void ignore_signal(uv_signal_t*, int) {}

// Whether the descriptors of a loop are available. Asked first, because libuv keeps some of them where it gets only
// some. Returns 0 or an errno.
int try_descriptors() {
  int taken[8];
  int count = 0;
  int error = 0;
  while (error == 0 && count < 8) {
    taken[count] = epoll_create1(EPOLL_CLOEXEC);
    if (taken[count] < 0) {
      error = errno;
    } else {
      count++;
    }
  }
  while (count > 0) close(taken[--count]);
  return error;
}

// Returns 0 or an errno.
int make_loop() {
  if (shared.loop != nullptr) return 0;
  if (const int error = try_descriptors()) return error;
  uv_loop_t* loop = static_cast<uv_loop_t*>(calloc(1, uv_loop_size()));
  const int error = loop == nullptr ? -ENOMEM : uv_loop_init(loop);
  if (error != 0) {
    free(loop);
    return -error;
  }
  shared.loop = loop;
  return 0;
}

// Returns 0 or an errno.
int make_handle(size_t i) {
  if (shared.handles[i] != nullptr) return 0;
  uv_signal_t* handle = static_cast<uv_signal_t*>(calloc(1, uv_handle_size(UV_SIGNAL)));
  const int error = handle == nullptr ? -ENOMEM : uv_signal_init(shared.loop, handle);
  if (error != 0) {
    free(handle);
    return -error;
  }
  shared.handles[i] = handle;
  return 0;
}

void note_libuv(const struct sigaction& action) {
  shared.libuv = action;
  shared.knows_libuv.store(true, std::memory_order_release);
}

bool knows_libuv() { return shared.knows_libuv.load(std::memory_order_acquire); }

// Leaves the handler of the signal as it was, which is put in *before, and learns libuv's where it changed.
bool start(size_t i, struct sigaction* before) {
  struct sigaction after;
  if (sigaction(kSignals[i], nullptr, before) != 0) return false;
  if (uv_signal_start(shared.handles[i], ignore_signal, kSignals[i]) != 0) return false;
  shared.started[i] = true;
  if (sigaction(kSignals[i], before, &after) != 0) return false;
  if (!is_same(after, *before)) note_libuv(after);
  return true;
}

}  // namespace

bool is_default(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL;
}

bool is_ignore(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_IGN;
}

bool is_same(const struct sigaction& one, const struct sigaction& other) {
  return (one.sa_flags & SA_SIGINFO) == (other.sa_flags & SA_SIGINFO) && one.sa_handler == other.sa_handler;
}

ChangingHandlers::ChangingHandlers() {
  sigset_t all;
  sigfillset(&all);
  // sigprocmask changes this thread's mask on Linux. pthread_sigmask does the same and would need glibc 2.32.
  sigprocmask(SIG_BLOCK, &all, &before_);
  while (shared.changing.test_and_set(std::memory_order_acquire)) {
  }
}

ChangingHandlers::~ChangingHandlers() {
  shared.changing.clear(std::memory_order_release);
  sigprocmask(SIG_SETMASK, &before_, nullptr);
}

int hold_signals() {
  if (uv_handle_size == nullptr || uv_loop_init == nullptr || uv_loop_size == nullptr || uv_signal_init == nullptr ||
      uv_signal_start == nullptr || uv_signal_stop == nullptr) {
    return 0;
  }
  if (const int error = make_loop()) return error;
  for (size_t i = 0; i < kSignalCount; i++) {
    if (const int error = make_handle(i)) return error;
  }
  struct sigaction before[kSignalCount];
  size_t started = 0;
  for (size_t i = 0; i < kSignalCount; i++) {
    if (!shared.started[i] && start(i, &before[i])) started++;
  }
  // Both had the same handler before, and libuv did not need to install its own: both have listeners, and it is
  // libuv's.
  if (started == kSignalCount && !knows_libuv() && is_same(before[0], before[1]) && !is_default(before[0]) &&
      !is_ignore(before[0])) {
    note_libuv(before[0]);
  }
  return 0;
}

// libuv does not tell, but it sets the default action when the last user goes: so we stop being one for a moment.
bool has_listener(size_t i) {
  if (!shared.started[i] || !knows_libuv()) return false;
  const ChangingHandlers guard;
  struct sigaction there;
  struct sigaction now;
  if (sigaction(kSignals[i], nullptr, &there) != 0) return false;
  uv_signal_stop(shared.handles[i]);
  const bool listened = sigaction(kSignals[i], nullptr, &now) == 0 && !is_default(now);
  uv_signal_start(shared.handles[i], ignore_signal, kSignals[i]);
  if (!listened) sigaction(kSignals[i], &there, nullptr);
  return listened;
}

bool is_libuv(const struct sigaction& action) { return knows_libuv() && is_same(action, shared.libuv); }

const struct sigaction& libuv_action() { return shared.libuv; }

}  // namespace pmem
