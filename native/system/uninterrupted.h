// System calls that a signal interrupts. Whoever is sent signals all the time, by a profiler for one, may never see a
// long call end, where the kernel takes back what an interrupted one did.
#ifndef PMEM_SYSTEM_UNINTERRUPTED_H_
#define PMEM_SYSTEM_UNINTERRUPTED_H_

#include <cerrno>
#include <csignal>
#include <initializer_list>

namespace pmem {

// Keeps signals from this thread while it lives; they come afterwards. Not those that say what the thread itself did
// wrong, which the guarded copies live by.
class SignalsHeld {
 public:
  SignalsHeld() {
    sigset_t all;
    sigfillset(&all);
    for (const int fault : {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) sigdelset(&all, fault);
    // Of this thread, on Linux; pthread_sigmask, the same function, would tie the binary to glibc 2.32.
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

// A file system in user space can answer EINTR without any signal, and a stopped process is woken in the middle of a
// call: so often, and no more.
constexpr int kMostAttempts = 1000;

// Makes the call again until it was not interrupted; from the second time on signals wait until it is done. Only for
// calls that are short, or go on where they were interrupted.
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
