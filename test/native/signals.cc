// For tests only: somebody else's handlers of SIGSEGV and SIGBUS, and faults outside of our mappings.
#include <node_api.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

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
uint8_t* missing = nullptr;    // a page behind the end of its file
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

int32_t integer(napi_env env, napi_value value) {
  int32_t result = 0;
  napi_get_value_int32(env, value, &result);
  return result;
}

// install(place, mode, flags, plain)
napi_value install(napi_env env, napi_callback_info info) {
  size_t count = 4;
  napi_value arguments[4];
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  const int place = integer(env, arguments[0]);
  handlers[place].mode = static_cast<Mode>(integer(env, arguments[1]));
  struct sigaction action = {};
  action.sa_flags = integer(env, arguments[2]);
  if (integer(env, arguments[3])) {
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
  size_t count = 1;
  napi_value argument;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  const Handler& handler = handlers[integer(env, argument)];
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
  size_t count = 1;
  napi_value argument;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  uint8_t* page = nullptr;
  if (integer(env, argument) == SIGSEGV) {
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
  napi_value result;
  napi_get_boolean(env, jumped, &result);
  return result;
}

// announce(buffer, offset): the kernel's news of corrupt memory there, which interrupts anything; without a buffer, of
// none of ours.
napi_value announce(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2];
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  void* address = missing;
  if (count == 2) {
    size_t length = 0;
    napi_get_buffer_info(env, arguments[0], &address, &length);
    address = static_cast<uint8_t*>(address) + integer(env, arguments[1]);
  }
  siginfo_t news = {};
  news.si_signo = SIGBUS;
  news.si_code = BUS_MCEERR_AO;
  news.si_addr = address;
  // A process may claim anything towards itself.
  if (syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), SIGBUS, &news) != 0) _exit(96);
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
  const struct {
    const char* name;
    napi_callback call;
  } calls[] = {
      {"install", install},   {"reset", reset}, {"setDefault", set_default}, {"ignore", ignore}, {"fault", fault},
      {"announce", announce}, {"state", state},
  };
  for (const auto& one : calls) {
    napi_value function;
    napi_create_function(env, one.name, NAPI_AUTO_LENGTH, one.call, nullptr, &function);
    napi_set_named_property(env, exports, one.name, function);
  }
  return exports;
}

}  // namespace

NAPI_MODULE(signals, init)
