// For tests only: handlers of SIGSEGV and SIGBUS that are not ours, and faults outside of our mappings.
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "call.h"

namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS};
constexpr size_t kPage = 4096;

int index_of(int signal) { return signal == SIGSEGV ? 0 : 1; }

// What a handler does once it has counted its call.
enum Mode : int { kReturn = 0, kChain = 1, kRepair = 2, kJump = 3, kForget = 4 };

struct Handler {
  Mode mode;
  int calls[2];
  struct sigaction before[2];
};

Handler handlers[2];
uint8_t* forbidden = nullptr;  // a page without access
uint8_t* missing = nullptr;    // a page past the end of its file
int file = -1;
sigjmp_buf back;
void* expected = nullptr;
int wrong_addresses = 0;

void count_and_act(Handler& handler, int signal, siginfo_t* info, void* context) {
  handler.calls[index_of(signal)]++;
  if (expected != nullptr && info->si_addr != expected) wrong_addresses++;
  switch (handler.mode) {
    case kRepair:
      if (signal == SIGSEGV) mprotect(forbidden, kPage, PROT_READ | PROT_WRITE);
      if (signal == SIGBUS && ftruncate(file, kPage) != 0) _exit(99);
      return;
    case kForget:
      return;
    case kJump:
      siglongjmp(back, 1);
    case kChain: {
      const struct sigaction& next = handler.before[index_of(signal)];
      if (next.sa_flags & SA_SIGINFO) {
        next.sa_sigaction(signal, info, context);
      } else if (next.sa_handler == SIG_DFL) {
        sigaction(signal, &next, nullptr);
      } else if (next.sa_handler != SIG_IGN) {
        next.sa_handler(signal);
      }
      return;
    }
    default:
      // Without anything repaired the instruction faults again; if nobody else ends that, this does.
      if (handler.calls[index_of(signal)] > 100) _exit(97);
      return;
  }
}

template <int Place>
void handle(int signal, siginfo_t* info, void* context) {
  count_and_act(handlers[Place], signal, info, context);
}

// A handler without SA_SIGINFO.
void handle_plainly(int signal) {
  siginfo_t none = {};
  none.si_addr = expected;
  count_and_act(handlers[0], signal, &none, nullptr);
}

// install(place, mode, flags, plain)
napi_value install(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const int place = static_cast<int>(call.number(0));
  handlers[place].mode = static_cast<Mode>(call.number(1));
  struct sigaction action = {};
  action.sa_flags = static_cast<int>(call.number(2));
  if (call.number(3) != 0) {
    action.sa_handler = handle_plainly;
  } else {
    action.sa_sigaction = place == 0 ? handle<0> : handle<1>;
    action.sa_flags |= SA_SIGINFO;
  }
  sigemptyset(&action.sa_mask);
  for (int signal : kSignals) sigaction(signal, &action, &handlers[place].before[index_of(signal)]);
  return nullptr;
}

// reset(place): puts back what was there before.
napi_value reset(napi_env env, napi_callback_info info) {
  const Handler& handler = handlers[Call(env, info).number(0)];
  for (int signal : kSignals) sigaction(signal, &handler.before[index_of(signal)], nullptr);
  return nullptr;
}

// setDefault(): the default action for both signals.
napi_value set_default(napi_env, napi_callback_info) {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int signal : kSignals) sigaction(signal, &action, nullptr);
  return nullptr;
}

napi_value ignore(napi_env, napi_callback_info) {
  signal(SIGBUS, SIG_IGN);
  return nullptr;
}

// fault(signal) -> whether a handler jumped out of it.
napi_value fault(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  uint8_t* page = nullptr;
  if (call.number(0) == SIGSEGV) {
    mprotect(forbidden, kPage, PROT_NONE);
    page = forbidden;
  } else {
    if (ftruncate(file, 0) != 0) _exit(98);
    page = missing;
  }
  expected = page + 8;
  volatile bool jumped = false;
  if (sigsetjmp(back, 1) == 0) {
    *const_cast<volatile uint8_t*>(page + 8) = 1;
  } else {
    jumped = true;
  }
  expected = nullptr;
  return call.result(bool{jumped});
}

// announce(buffer, offset): the kernel's report of corrupt memory there, which interrupts anything. Without a buffer:
// of memory that is not ours.
napi_value announce(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  size_t length = 0;
  void* address = call.count == 2 ? call.bytes(0, &length) + call.number(1) : missing;
  siginfo_t report = {};
  report.si_signo = SIGBUS;
  report.si_code = BUS_MCEERR_AO;
  report.si_addr = address;
  // A process may claim anything towards itself.
  if (syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), SIGBUS, &report) != 0) _exit(96);
  return nullptr;
}

// state() -> [calls of 0: SIGSEGV, SIGBUS, calls of 1: SIGSEGV, SIGBUS, wrong addresses, either signal is blocked]
napi_value state(napi_env env, napi_callback_info) {
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  const int values[] = {handlers[0].calls[0], handlers[0].calls[1],
                        handlers[1].calls[0], handlers[1].calls[1],
                        wrong_addresses,      sigismember(&mask, SIGSEGV) == 1 || sigismember(&mask, SIGBUS) == 1};
  napi_value result;
  napi_create_array(env, &result);
  uint32_t place = 0;
  for (int value : values) {
    napi_value number;
    napi_create_int32(env, value, &number);
    napi_set_element(env, result, place++, number);
  }
  return result;
}

napi_value init(napi_env env, napi_value exports) {
  forbidden = static_cast<uint8_t*>(mmap(nullptr, kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  file = memfd_create("signals", MFD_CLOEXEC);
  missing = static_cast<uint8_t*>(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
  return add_exports(env, exports,
                     {{"install", install},
                      {"reset", reset},
                      {"setDefault", set_default},
                      {"ignore", ignore},
                      {"fault", fault},
                      {"announce", announce},
                      {"state", state}});
}

}  // namespace

NAPI_MODULE(signals, init)
