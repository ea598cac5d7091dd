// libpmem doing what our benchmark does, in C, on the same mapping: the address comes from one of our Buffers.
#include <libpmem.h>
#include <node_api.h>

#include <cstdint>
#include <ctime>

namespace {

uint64_t now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000000000u + static_cast<uint64_t>(time.tv_nsec);
}

struct Arguments {
  uint8_t* memory;  // the window that the operations walk through
  size_t window;
  uint8_t* source;
  size_t length;  // bytes in one operation
  size_t start;   // index of the first operation
  size_t count;   // operations
};

size_t number(napi_env env, napi_value value) {
  double result = 0;
  napi_get_value_double(env, value, &result);
  return static_cast<size_t>(result);
}

// (window, source, length, start, count)
Arguments arguments(napi_env env, napi_callback_info info) {
  size_t count = 5;
  napi_value values[5];
  napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  Arguments result = {};
  void* data = nullptr;
  napi_get_buffer_info(env, values[0], &data, &result.window);
  result.memory = static_cast<uint8_t*>(data);
  size_t ignored = 0;
  napi_get_buffer_info(env, values[1], &data, &ignored);
  result.source = static_cast<uint8_t*>(data);
  result.length = number(env, values[2]);
  result.start = number(env, values[3]);
  result.count = number(env, values[4]);
  return result;
}

napi_value elapsed(napi_env env, uint64_t since) {
  napi_value result;
  napi_create_double(env, static_cast<double>(now() - since), &result);
  return result;
}

napi_value persist(napi_env env, napi_callback_info info) {
  const Arguments args = arguments(env, info);
  const size_t mask = args.window - 1;
  const uint64_t start = now();
  for (size_t i = args.start; i < args.start + args.count; i++) {
    uint8_t* line = args.memory + ((i * args.length) & mask);
    *reinterpret_cast<volatile double*>(line) = static_cast<double>(i);
    pmem_persist(line, args.length);
  }
  return elapsed(env, start);
}

// Sixteen scattered lines, a pmem_persist for each; the distance is a prime number of lines.
napi_value persist_scattered(napi_env env, napi_callback_info info) {
  const Arguments args = arguments(env, info);
  const size_t mask = args.window - 1;
  const uint64_t start = now();
  for (size_t i = args.start; i < args.start + args.count; i++) {
    for (size_t k = 0; k < 16; k++) {
      uint8_t* line = args.memory + (((i * 16 + k) * 131 * 64) & mask);
      *reinterpret_cast<volatile double*>(line) = static_cast<double>(i);
      pmem_persist(line, 64);
    }
  }
  return elapsed(env, start);
}

napi_value write(napi_env env, napi_callback_info info) {
  const Arguments args = arguments(env, info);
  const size_t mask = args.window - 1;
  const uint64_t start = now();
  for (size_t i = args.start; i < args.start + args.count; i++) {
    pmem_memcpy_persist(args.memory + ((i * args.length) & mask), args.source, args.length);
  }
  return elapsed(env, start);
}

void add(napi_env env, napi_value exports, const char* name, napi_callback call) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, call, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}

napi_value init(napi_env env, napi_value exports) {
  add(env, exports, "persist", persist);
  add(env, exports, "persistScattered", persist_scattered);
  add(env, exports, "write", write);
  return exports;
}

}  // namespace

NAPI_MODULE(pmem_peer, init)
