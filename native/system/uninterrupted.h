// System calls that signals interrupt. In a process that gets signals all the time (from a profiler, say) a long call
// might never end, where the kernel undoes what an interrupted call did.
#ifndef PMEM_SYSTEM_UNINTERRUPTED_H_
#define PMEM_SYSTEM_UNINTERRUPTED_H_

#include <cerrno>
#include <csignal>
#include <initializer_list>

namespace pmem {

// Holds signals of this thread back while it lives; they arrive afterwards. Except those that the thread causes itself:
// guarded copies need them.
class SignalsHeld {
 public:
  SignalsHeld() {
    sigset_t all;
    sigfillset(&all);
    for (const int fault : {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) sigdelset(&all, fault);
    // sigprocmask changes this thread's mask on Linux. pthread_sigmask does the same and would need glibc 2.32.
    held_ = sigprocmask(SIG_BLOCK, &all, &before_) == 0;
  }
  ~SignalsHeld() {
    const int error = errno;
    if (held_) sigprocmask(SIG_SETMASK, &before_, nullptr);
    errno = error;
  }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

 private:
  sigset_t before_;
  bool held_ = false;
};

// A limit, because a file system in user space can answer EINTR without any signal, and a stopped process is woken in
// the middle of a call.
constexpr int kMostAttempts = 1000;

// Repeats the call until it is not interrupted. From the second time on, signals wait until it is done. Only for calls
// that are short, or continue where they were interrupted.
template <typename Call>
auto uninterrupted(Call call) -> decltype(call()) {
  auto result = call();
  if (result != -1 || errno != EINTR) return result;
  const SignalsHeld held;
  for (int attempt = 1; result == -1 && errno == EINTR && attempt < kMostAttempts; attempt++) result = call();
  return result;
}

}  // namespace pmem

#endif  // PMEM_SYSTEM_UNINTERRUPTED_H_
