// Three kinds of handlers can get in front of ours, and then a fault in a guarded copy never reaches it:
//
//   libuv's   of `process.on('SIGBUS')` in any thread. It takes note and returns, so the instruction faults for ever,
//             and when the last listener goes, libuv sets the default action. Both happen at its first and its last
//             user of a signal only: we are one, for good, so that neither ever happens again.
//   chaining  calls us for what it does not know. All is well.
//   others    keep our faults from us. A thread that sleeps for as long as the process does nothing looks for them.
#include "guard/handlers.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/types.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <uv.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>

#include "arch/arch.h"
#include "guard/fault.h"

// Absent in runtimes that are not Node.js; nothing of it happens there.
#pragma weak uv_handle_size
#pragma weak uv_loop_init
#pragma weak uv_loop_size
#pragma weak uv_signal_init
#pragma weak uv_signal_start
#pragma weak uv_signal_stop
#pragma weak uv_thread_create_ex

namespace pmem {

namespace {

constexpr int kSignals[] = {SIGBUS, SIGSEGV};
constexpr size_t kCount = 2;

size_t index_of(int signal) { return signal == SIGBUS ? 0 : 1; }

// Handlers read these while others come: a place is written before it is shown, and again after seven more have come.
struct Previous {
  struct sigaction first;      // what was there when ours was installed
  struct sigaction others[8];  // what took our place since, and now stands behind us
  size_t count = 0;
  std::atomic<struct sigaction*> latest{nullptr};
};

Previous previous[kCount];
Handler ours = nullptr;

// ---- one at a time, also in handlers --------------------------------------------------------------------------------

std::atomic_flag changing = ATOMIC_FLAG_INIT;

class Changing {
 public:
  Changing() {
    sigset_t all;
    sigfillset(&all);
    // Of this thread, on Linux; pthread_sigmask, the same function, would tie the binary to glibc 2.32.
    sigprocmask(SIG_BLOCK, &all, &before_);
    while (changing.test_and_set(std::memory_order_acquire)) {
    }
  }
  ~Changing() {
    changing.clear(std::memory_order_release);
    sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  Changing(const Changing&) = delete;
  Changing& operator=(const Changing&) = delete;

 private:
  sigset_t before_;
};

bool is_default(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL;
}

bool is_ignore(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_IGN;
}

bool is_same(const struct sigaction& one, const struct sigaction& other) {
  return (one.sa_flags & SA_SIGINFO) == (other.sa_flags & SA_SIGINFO) && one.sa_handler == other.sa_handler;
}

bool is_ours(const struct sigaction& action) { return (action.sa_flags & SA_SIGINFO) && action.sa_sigaction == ours; }

bool put_ours(int signal) {
  struct sigaction action = {};
  action.sa_sigaction = ours;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  return sigaction(signal, &action, nullptr) == 0;
}

// ---- libuv ----------------------------------------------------------------------------------------------------------

uv_signal_t* held[kCount];  // on a loop that never runs
bool knows_libuv = false;
struct sigaction libuv = {};

void take_no_notice(uv_signal_t*, int) {}

// Whether a loop's descriptors are to be had. Asked first, because libuv keeps some of them where it does not get all.
// Returns 0 or an errno.
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
int hold_signals() {
  if (uv_handle_size == nullptr || uv_loop_init == nullptr || uv_loop_size == nullptr || uv_signal_init == nullptr ||
      uv_signal_start == nullptr || uv_signal_stop == nullptr) {
    return 0;
  }
  static uv_loop_t* loop = nullptr;
  if (loop == nullptr) {
    if (const int error = try_descriptors()) return error;
    uv_loop_t* made = static_cast<uv_loop_t*>(calloc(1, uv_loop_size()));
    const int error = made == nullptr ? -ENOMEM : uv_loop_init(made);
    if (error != 0) {
      free(made);
      return -error;
    }
    loop = made;
  }
  for (uv_signal_t*& handle : held) {
    if (handle != nullptr) continue;
    uv_signal_t* made = static_cast<uv_signal_t*>(calloc(1, uv_handle_size(UV_SIGNAL)));
    const int error = made == nullptr ? -ENOMEM : uv_signal_init(loop, made);
    if (error != 0) {
      free(made);
      return -error;
    }
    handle = made;
  }
  return 0;
}

// Whether anybody but us listens by libuv. It does not tell, but sets the default action when the last user goes.
bool has_listener(size_t i) {
  if (held[i] == nullptr || !knows_libuv) return false;
  const Changing guard;
  struct sigaction there;
  struct sigaction now;
  if (sigaction(kSignals[i], nullptr, &there) != 0) return false;
  uv_signal_stop(held[i]);
  const bool listened = sigaction(kSignals[i], nullptr, &now) == 0 && !is_default(now);
  uv_signal_start(held[i], take_no_notice, kSignals[i]);
  if (!listened) sigaction(kSignals[i], &there, nullptr);
  return listened;
}

// ---- others ---------------------------------------------------------------------------------------------------------

// Looks once in a tenth of a second that the process computes: a thread that faults for ever does, one that waits does
// not, so that it costs nothing where nothing happens.
void keep_first(void*) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, nullptr);
  for (;;) {
    const struct timespec tenth = {0, 100'000'000};
    const int error = clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &tenth, nullptr);
    if (error != 0 && error != EINTR) return;
    install(ours);
  }
}

void start_looking() {
  if (uv_thread_create_ex == nullptr) return;
  static uv_thread_t thread;
  uv_thread_options_t options = {};
  options.flags = UV_THREAD_HAS_STACK_SIZE;
  options.stack_size = 64 << 10;
  // Where there may be no more threads, ours are put first with the next mapping.
  static_cast<void>(uv_thread_create_ex(&thread, &options, keep_first, nullptr));
}

// ---- passing on -----------------------------------------------------------------------------------------------------

// The signal that this thread is passing on to others, and the frame it does so from.
struct Chaining {
  const void* context;
  const void* frame;
};

PMEM_THREAD_LOCAL Chaining t_chaining = {};

// The fault that libuv was told of last by this thread.
struct Told {
  uintptr_t instruction;
  uintptr_t address;
};

PMEM_THREAD_LOCAL Told t_told = {};

void die_by_default(int signal, const siginfo_t* info) {
  struct sigaction fallback = {};
  fallback.sa_handler = SIG_DFL;
  sigaction(signal, &fallback, nullptr);
  // A faulting instruction is repeated on return and kills with the right core; a sent signal must be sent again.
  if (!is_synchronous(signal, info)) raise(signal);
}

void call(const struct sigaction& action, int signal, siginfo_t* info, void* context, const void* frame) {
  sigset_t mask = action.sa_mask;
  if ((action.sa_flags & SA_NODEFER) == 0) sigaddset(&mask, signal);
  sigset_t before;
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

// Whether this thread told libuv of the very same fault just before: it is repeated then, and nobody will end that.
bool told_before(const siginfo_t* info, const void* context) {
  const Told now = {instruction_of(context), reinterpret_cast<uintptr_t>(info->si_addr)};
  const bool same = t_told.instruction == now.instruction && t_told.address == now.address && now.instruction != 0;
  t_told = now;
  return same;
}

}  // namespace

BlockedSignals::BlockedSignals() {
  sigset_t mask;
  sigfillset(&mask);
  for (int signal : kSignals) sigdelset(&mask, signal);
  // Set, not added to: a handler in front of ours can have blocked the two.
  sigprocmask(SIG_SETMASK, &mask, &before_);
}

BlockedSignals::~BlockedSignals() { sigprocmask(SIG_SETMASK, &before_, nullptr); }

// News of corrupt memory (BUS_MCEERR_AO: another process met it, or nobody yet) comes from the kernel too, but
// interrupts anything.
bool is_synchronous(int signal, const siginfo_t* info) {
  return info->si_code > 0 && !(signal == SIGBUS && info->si_code == BUS_MCEERR_AO);
}

uintptr_t instruction_of(const void* context) {
  if (context == nullptr) return 0;
  return instruction_in(*static_cast<const ucontext_t*>(context));
}

void chain(int signal, siginfo_t* info, void* context, const void* frame) {
  const size_t i = index_of(signal);
  Previous& behind = previous[i];
  const bool synchronous = is_synchronous(signal, info);
  // A handler that took our place and kept us as its own predecessor leads back here, with the same context and from
  // deeper in the stack: go to the first one. What is noted here may be out of date: handlers also leave by siglongjmp.
  const bool nested = t_chaining.context == context && frame < t_chaining.frame;
  struct sigaction* there = nested ? &behind.first : behind.latest.load(std::memory_order_acquire);
  struct sigaction action = *there;
  const bool is_libuv = knows_libuv && is_same(action, libuv);
  // A listener stands in front of what was there before us. Of a fault it never hears where it is the thread that
  // faults, so only what cannot repair anything gives way to it.
  const bool gives_way = is_libuv || is_default(action) || (there == &behind.first && !synchronous);
  if (gives_way && has_listener(i) && !(synchronous && told_before(info, context))) {
    call(libuv, signal, info, context, frame);
    return;
  }
  if (is_libuv || is_default(action) || (is_ignore(action) && synchronous)) {
    die_by_default(signal, info);
    return;
  }
  if (is_ignore(action)) return;
  if (action.sa_flags & static_cast<int>(SA_RESETHAND)) {
    there->sa_flags = 0;
    there->sa_handler = SIG_DFL;
  }
  call(action, signal, info, context, frame);
}

int install(Handler handler) {
  const Changing guard;
  const bool again = ours != nullptr;
  // Without it the next listener that goes would take our place along: rather no mapping.
  if (const int error = again ? 0 : hold_signals()) return error;
  ours = handler;
  for (size_t i = 0; i < kCount; i++) {
    struct sigaction current;
    if (sigaction(kSignals[i], nullptr, &current) != 0) return errno;
    if (is_ours(current)) continue;
    Previous& behind = previous[i];
    if (behind.latest.load(std::memory_order_relaxed) == nullptr) {
      behind.first = current;
      behind.latest.store(&behind.first, std::memory_order_release);
      struct sigaction after;
      if (held[i] != nullptr && uv_signal_start(held[i], take_no_notice, kSignals[i]) == 0 &&
          sigaction(kSignals[i], nullptr, &after) == 0 && !is_same(after, current)) {
        libuv = after;
        knows_libuv = true;
      }
    } else {
      struct sigaction& place = behind.others[behind.count++ % 8];
      place = current;
      behind.latest.store(&place, std::memory_order_release);
    }
    if (!put_ours(kSignals[i])) return errno;
  }
  // Listeners to both were there already: what stands there is libuv's.
  if (!again && !knows_libuv && held[0] != nullptr && is_same(previous[0].first, previous[1].first) &&
      !is_default(previous[0].first) && !is_ignore(previous[0].first)) {
    libuv = previous[0].first;
    knows_libuv = true;
  }
  if (!again) start_looking();
  return 0;
}

}  // namespace pmem
