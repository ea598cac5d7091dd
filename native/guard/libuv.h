// libuv's handlers of SIGBUS and SIGSEGV: those of `process.on('SIGBUS')` in any thread, and of other addons.
//
// libuv installs its handler with the first user of a signal and sets the default action when the last user goes.
// Either would displace ours. So we are a user of both signals for good, by handles on a loop that never runs.
//
// A process can have several copies of this addon. All use the handles of the copy that was loaded first: each copy's
// own would look like somebody else's listener to the others.
#ifndef PMEM_GUARD_LIBUV_H_
#define PMEM_GUARD_LIBUV_H_

#include <csignal>
#include <cstddef>

namespace pmem {

constexpr int kSignals[] = {SIGBUS, SIGSEGV};
constexpr size_t kSignalCount = 2;

bool is_default(const struct sigaction& action);
bool is_ignore(const struct sigaction& action);
bool is_same(const struct sigaction& one, const struct sigaction& other);

// While it lives, no other thread and no other copy changes who handles the signals. All signals of this thread are
// blocked meanwhile. Also for use in handlers.
class ChangingHandlers {
 public:
  ChangingHandlers();
  ~ChangingHandlers();
  ChangingHandlers(const ChangingHandlers&) = delete;
  ChangingHandlers& operator=(const ChangingHandlers&) = delete;

 private:
  sigset_t before_;
};

// Becomes a user of both signals, unless one copy is already. To be called while changing handlers. Returns 0 or an
// errno.
int hold_signals();

// Whether anybody but us listens to kSignals[i] by libuv. Async-signal-safe.
bool has_listener(size_t i);

// Whether this is libuv's handler, and that handler. Not known where libuv had no part in either signal so far.
bool is_libuv(const struct sigaction& action);
const struct sigaction& libuv_action();

}  // namespace pmem

#endif  // PMEM_GUARD_LIBUV_H_
