// For tests only: the state of a thread that a handler does not have, faults that reach their handler late, a process
// without room for mappings, and listeners of other addons by libuv.
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "call.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

namespace {

constexpr size_t kPage = 4096;

// The result of a call that needs no arguments.
napi_value number(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}

// ---- the state of a thread ------------------------------------------------------------------------------------------

volatile int* keyed = nullptr;

// key() -> a protection key that this thread may use, with a page behind it; -1 where there are none.
napi_value key(napi_env env, napi_callback_info) {
#if defined(SYS_pkey_alloc) && defined(__x86_64__)
  const long found = syscall(SYS_pkey_alloc, 0, 0);
  if (found < 0) return number(env, -1);
  void* page = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  syscall(SYS_pkey_mprotect, page, kPage, PROT_READ | PROT_WRITE, found);
  keyed = static_cast<volatile int*>(page);
  return number(env, static_cast<double>(found));
#else
  return number(env, -1);
#endif
}

// touchKeyed() -> 7. Dies of SIGSEGV where the thread may not use the key any more.
napi_value touch_keyed(napi_env env, napi_callback_info) {
  *keyed = 7;
  return number(env, *keyed);
}

// rights() -> PKRU. Only where there are keys.
napi_value rights(napi_env env, napi_callback_info) {
  uint32_t value = 0;
#if defined(__x86_64__)
  uint32_t high;
  __asm__ volatile(".byte 0x0f, 0x01, 0xee" : "=a"(value), "=d"(high) : "c"(0));
#endif
  return number(env, value);
}

// setModes(mxcsr, x87): 0 where this CPU has none.
napi_value set_modes(napi_env env, napi_callback_info info) {
#if defined(__x86_64__)
  const Call call(env, info);
  const uint32_t mxcsr = static_cast<uint32_t>(call.number(0));
  const uint16_t x87 = static_cast<uint16_t>(call.number(1));
  __asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(x87));
  return number(env, 1);
#else
  return number(env, 0);
#endif
}

// mxcsr(), without the flags of what happened, and x87(): the modes in force.
napi_value mxcsr(napi_env env, napi_callback_info) {
  uint32_t value = 0;
#if defined(__x86_64__)
  __asm__ volatile("stmxcsr %0" : "=m"(value));
#endif
  return number(env, value & ~0x3fU);
}

napi_value x87(napi_env env, napi_callback_info) {
  uint16_t value = 0;
#if defined(__x86_64__)
  __asm__ volatile("fnstcw %0" : "=m"(value));
#endif
  return number(env, value);
}

// ownStack(): this thread has an alternate stack that is taken away while a handler runs on it.
napi_value own_stack(napi_env env, napi_callback_info) {
  constexpr size_t kSize = 256 << 10;
  stack_t stack = {};
  stack.ss_sp = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  stack.ss_size = kSize;
  stack.ss_flags = static_cast<int>(SS_AUTODISARM);
  return number(env, sigaltstack(&stack, nullptr));
}

// stackSize() -> bytes of it; 0 without one.
napi_value stack_size(napi_env env, napi_callback_info) {
  stack_t stack = {};
  sigaltstack(nullptr, &stack);
  return number(env, (stack.ss_flags & SS_DISABLE) != 0 ? 0 : static_cast<double>(stack.ss_size));
}

// ---- faults that come late -----------------------------------------------------------------------------------------

uint8_t* remembered = nullptr;

// remember(buffer): its first byte.
napi_value remember(napi_env env, napi_callback_info info) {
  size_t length = 0;
  remembered = Call(env, info).bytes(0, &length);
  return nullptr;
}

// late(signal, code): the signal that a fault at that byte raised, which comes to its handler only now. What the
// instruction does then is what loadRemembered does.
napi_value late(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const int signal = static_cast<int>(call.number(0));
  siginfo_t fault = {};
  fault.si_signo = signal;
  fault.si_code = static_cast<int>(call.number(1));
  fault.si_addr = remembered;
  // A process may claim anything towards itself.
  return number(env, syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), signal, &fault));
}

napi_value load_remembered(napi_env env, napi_callback_info) {
  return number(env, *const_cast<volatile uint8_t*>(remembered));
}

// ---- mappings -------------------------------------------------------------------------------------------------------

uint8_t* used = nullptr;
constexpr size_t kUsed = size_t{1} << 32;

// Until the kernel refuses more (vm.max_map_count).
void use_up() {
  used = static_cast<uint8_t*>(mmap(nullptr, kUsed, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  for (size_t at = 0; at < kUsed && mprotect(used + at, kPage, PROT_READ) == 0;) at += 2 * kPage;
}

// useUpAndTouch(buffer, stride, store) -> the sum of a byte in each `stride` bytes, read or, with 1, after storing 1,
// while the process has no room for mappings. In one call: JavaScript needs mappings too.
napi_value use_up_and_touch(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  size_t length = 0;
  volatile uint8_t* bytes = call.bytes(0, &length);
  const size_t stride = static_cast<size_t>(call.number(1));
  const bool store = call.number(2) != 0;
  use_up();
  double sum = 0;
  for (size_t at = 0; at < length; at += stride) {
    if (store) bytes[at] = 1;
    sum += bytes[at];
  }
  munmap(used, kUsed);
  return number(env, sum);
}

// ---- libuv ----------------------------------------------------------------------------------------------------------

std::vector<uv_signal_t*> listeners;

void heard(uv_signal_t*, int) {}

// listen(signal): on the loop of this thread, without keeping it going.
napi_value listen(napi_env env, napi_callback_info info) {
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  uv_signal_t* handle = new uv_signal_t();
  uv_signal_init(loop, handle);
  uv_unref(reinterpret_cast<uv_handle_t*>(handle));
  listeners.push_back(handle);
  return number(env, uv_signal_start(handle, heard, static_cast<int>(Call(env, info).number(0))));
}

// unlisten(): all of them. The handles stay, until the process ends.
napi_value unlisten(napi_env, napi_callback_info) {
  for (uv_signal_t* handle : listeners) uv_signal_stop(handle);
  return nullptr;
}

napi_value init(napi_env env, napi_value exports) {
  return add_exports(env, exports,
                     {{"key", key},
                      {"touchKeyed", touch_keyed},
                      {"rights", rights},
                      {"setModes", set_modes},
                      {"mxcsr", mxcsr},
                      {"x87", x87},
                      {"ownStack", own_stack},
                      {"stackSize", stack_size},
                      {"remember", remember},
                      {"late", late},
                      {"loadRemembered", load_remembered},
                      {"useUpAndTouch", use_up_and_touch},
                      {"listen", listen},
                      {"unlisten", unlisten}});
}

}  // namespace

NAPI_MODULE(faults, init)
