// Handlers that get in front of ours keep our faults from us:
//
//   libuv's       notes the signal and returns, so the instruction faults for ever; guard/libuv.h keeps it away
//   chaining ones call us for what they do not know: all is well
//   others        are found by a thread, which sleeps while the process computes nothing
#include "guard/handlers.h"

#include <signal.h>
#include <sys/types.h>
#include <time.h>
#include <ucontext.h>
#include <uv.h>

#include <atomic>
#include <cerrno>

#include "arch/arch.h"
#include "guard/fault.h"
#include "guard/libuv.h"

// Runtimes other than Node.js lack it; there is no such thread there.
#pragma weak uv_thread_create_ex

namespace pmem {

namespace {

size_t index_of(int signal) { return signal == SIGBUS ? 0 : 1; }

// Handlers read these while others are installed: a place is written before it is shown, and again only after seven
// more came.
struct Previous {
  struct sigaction first;      // what was there when ours was installed
  struct sigaction others[8];  // what took our place since, and now stands behind us
  size_t count = 0;
  std::atomic<struct sigaction*> latest{nullptr};
};

Previous previous[kSignalCount];
Handler ours = nullptr;

bool is_ours(const struct sigaction& action) { return (action.sa_flags & SA_SIGINFO) && action.sa_sigaction == ours; }

bool put_ours(int signal) {
  struct sigaction action = {};
  action.sa_sigaction = ours;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  return sigaction(signal, &action, nullptr) == 0;
}

// ---- others ---------------------------------------------------------------------------------------------------------

// Looks once in each tenth of a second of CPU time that the process spends: a thread that faults for ever spends it, a
// thread that waits does not.
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
  // Where there can be no more threads, ours are put in front with the next mapping.
  static_cast<void>(uv_thread_create_ex(&thread, &options, keep_first, nullptr));
}

// ---- passing on -----------------------------------------------------------------------------------------------------

// The signal that this thread is passing on, and the frame that does so.
struct Chaining {
  const void* context;
  const void* frame;
};

PMEM_THREAD_LOCAL Chaining t_chaining = {};

// The last fault that this thread passed to libuv.
struct Told {
  uintptr_t instruction;
  uintptr_t address;
};

PMEM_THREAD_LOCAL Told t_told = {};

void die_by_default(int signal, const siginfo_t* info) {
  struct sigaction fallback = {};
  fallback.sa_handler = SIG_DFL;
  sigaction(signal, &fallback, nullptr);
  // A faulting instruction runs again on return, and dies with the right core. A sent signal must be sent again.
  if (!is_synchronous(signal, info)) raise(signal);
}

void call_handler(const struct sigaction& action, int signal, siginfo_t* info, void* context, const void* frame) {
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

// Whether this thread passed the very same fault to libuv just before: then it repeats, and nothing will end it.
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
  // Set rather than added to: a handler in front of ours can have blocked the two.
  sigprocmask(SIG_SETMASK, &mask, &before_);
}

BlockedSignals::~BlockedSignals() { sigprocmask(SIG_SETMASK, &before_, nullptr); }

// The kernel also reports corrupt memory that this thread did not touch (BUS_MCEERR_AO). That interrupts anything.
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
  // A handler that took our place and calls us as its predecessor leads back here, with the same context and from
  // deeper in the stack: go to the first one. t_chaining can be out of date, because handlers also leave by siglongjmp.
  const bool nested = t_chaining.context == context && frame < t_chaining.frame;
  struct sigaction* there = nested ? &behind.first : behind.latest.load(std::memory_order_acquire);
  struct sigaction action = *there;
  // A listener stands in front of what was there before us. It never runs where its own thread faults, so for a fault
  // only what cannot repair anything gives way to it.
  const bool gives_way = is_libuv(action) || is_default(action) || (there == &behind.first && !synchronous);
  if (gives_way && has_listener(i) && !(synchronous && told_before(info, context))) {
    call_handler(libuv_action(), signal, info, context, frame);
    return;
  }
  if (is_libuv(action) || is_default(action) || (is_ignore(action) && synchronous)) {
    die_by_default(signal, info);
    return;
  }
  if (is_ignore(action)) return;
  if (action.sa_flags & static_cast<int>(SA_RESETHAND)) {
    there->sa_flags = 0;
    there->sa_handler = SIG_DFL;
  }
  call_handler(action, signal, info, context, frame);
}

int install(Handler handler) {
  const ChangingHandlers guard;
  const bool again = ours != nullptr;
  // Without the hold, the next listener that goes would displace ours: rather no mapping.
  if (const int error = again ? 0 : hold_signals()) return error;
  ours = handler;
  for (size_t i = 0; i < kSignalCount; i++) {
    struct sigaction current;
    if (sigaction(kSignals[i], nullptr, &current) != 0) return errno;
    if (is_ours(current)) continue;
    Previous& behind = previous[i];
    struct sigaction* place = &behind.first;
    if (behind.latest.load(std::memory_order_relaxed) != nullptr) place = &behind.others[behind.count++ % 8];
    *place = current;
    behind.latest.store(place, std::memory_order_release);
    if (!put_ours(kSignals[i])) return errno;
  }
  if (!again) start_looking();
  return 0;
}

}  // namespace pmem
