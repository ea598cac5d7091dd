// Who handles SIGBUS and SIGSEGV: ours first, then whoever was there before or came since.
#ifndef PMEM_GUARD_HANDLERS_H_
#define PMEM_GUARD_HANDLERS_H_

#include <csignal>
#include <cstdint>

namespace pmem {

using Handler = void (*)(int signal, siginfo_t* info, void* context);

// Installs the handler for both signals if it is not there, in front of whatever is. The same one each time.
// Returns 0 or an errno.
int install(Handler handler);

// Whether the signal stands for the instruction that it interrupted.
bool is_synchronous(int signal, const siginfo_t* info);

// Where the code was interrupted; 0 where that is not known.
uintptr_t instruction_of(const void* context);

// Does what would happen without us: calls the handler behind ours as the kernel would have called it, or the default.
void chain(int signal, siginfo_t* info, void* context, const void* frame);

// All signals of this thread are blocked while it lives, but for the two.
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
