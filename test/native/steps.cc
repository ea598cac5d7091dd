// For tests only: runs JavaScript one instruction at a time (x86-64), and reports the order of non-temporal stores,
// fences and the change of a word. What another thread may see depends on that order, and shows once in millions of
// tries.
#include <node_api.h>

#if defined(__x86_64__)

#include <signal.h>
#include <ucontext.h>

#include <cstdint>
#include <string>

namespace {

constexpr size_t kMost = 1 << 16;

const volatile uint64_t* word = nullptr;
uint64_t before = 0;
char seen[kMost];
size_t count = 0;

void note(char what) {
  if (count < kMost && (count == 0 || seen[count - 1] != what)) seen[count++] = what;
}

bool is_nontemporal(uint8_t opcode) { return opcode == 0xe7 || opcode == 0x2b; }

// Intel SDM volume 2: MOVNTDQ, MOVNTPS, MOVNTPD, MOVNTI, and their VEX and EVEX forms.
bool is_nontemporal_store(const uint8_t* code) {
  if (code[0] == 0xc5) return is_nontemporal(code[2]);
  if (code[0] == 0xc4) return (code[1] & 0x1f) == 1 && is_nontemporal(code[3]);
  if (code[0] == 0x62) return (code[1] & 0x7) == 1 && is_nontemporal(code[4]);
  if (code[0] == 0x66) code++;
  if ((code[0] & 0xf0) == 0x40) code++;
  return code[0] == 0x0f && (is_nontemporal(code[1]) || code[1] == 0xc3);
}

// SFENCE and MFENCE.
bool is_fence(const uint8_t* code) {
  return code[0] == 0x0f && code[1] == 0xae && (code[2] == 0xf8 || code[2] == 0xf0);
}

void on_step(int, siginfo_t*, void* context) {
  if (*word != before) {
    before = *word;
    note('w');
  }
  const greg_t next = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
  const uint8_t* code = reinterpret_cast<const uint8_t*>(next);
  if (is_nontemporal_store(code)) note('s');
  if (is_fence(code)) note('f');
}

void step(bool on) {
  if (on) {
    __asm__ volatile("pushfq\n orq $0x100, (%%rsp)\n popfq" ::: "memory", "cc");
  } else {
    __asm__ volatile("pushfq\n andq $~0x100, (%%rsp)\n popfq" ::: "memory", "cc");
  }
}

// order(word: Buffer, run: () => void): 's' for non-temporal stores, 'f' for a fence, 'w' for a change of the word's
// first 8 bytes. The same twice in a row is reported once.
napi_value order(napi_env env, napi_callback_info info) {
  size_t arguments = 2;
  napi_value values[2];
  napi_get_cb_info(env, info, &arguments, values, nullptr, nullptr);
  void* data = nullptr;
  size_t length = 0;
  napi_get_buffer_info(env, values[0], &data, &length);
  word = static_cast<const volatile uint64_t*>(data);
  before = *word;
  count = 0;
  struct sigaction action = {};
  struct sigaction others = {};
  action.sa_sigaction = on_step;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGTRAP, &action, &others);
  napi_value global, result;
  napi_get_global(env, &global);
  step(true);
  napi_call_function(env, global, values[1], 0, nullptr, &result);
  step(false);
  sigaction(SIGTRAP, &others, nullptr);
  napi_value text;
  napi_create_string_latin1(env, seen, count, &text);
  return text;
}

}  // namespace

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "order", NAPI_AUTO_LENGTH, order, nullptr, &function);
  napi_set_named_property(env, exports, "order", function);
  return exports;
}

#else

NAPI_MODULE_INIT() {
  static_cast<void>(env);
  return exports;
}

#endif
