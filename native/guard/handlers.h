// The order of handlers of SIGBUS and SIGSEGV: ours first, then those that were installed before or since.
#ifndef PMEM_GUARD_HANDLERS_H_
#define PMEM_GUARD_HANDLERS_H_

#include <csignal>
#include <cstdint>

namespace pmem {

using Handler = void (*)(int signal, siginfo_t* info, void* context);

// Installs the handler for both signals in front of all others, unless it is there. The same handler each time.
// Returns 0 or an errno.
int install(Handler handler);

// Whether the interrupted instruction caused the signal.
bool is_synchronous(int signal, const siginfo_t* info);

// The interrupted instruction; 0 without a context.
uintptr_t instruction_of(const void* context);

// Does what would happen without us: calls the handler behind ours as the kernel would, or performs the default action.
void chain(int signal, siginfo_t* info, void* context, const void* frame);

// While it lives, all signals of this thread are blocked except the two.
class BlockedSignals {
 public:
  BlockedSignals();
  ~BlockedSignals();
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_;
};

}  // namespace pmem

#endif  // PMEM_GUARD_HANDLERS_H_
