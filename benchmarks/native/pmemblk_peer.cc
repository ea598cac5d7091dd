// libpmemblk doing what our benchmark does, in C, on a pool of its own in the same directory.
#include <libpmemblk.h>
#include <node_api.h>

#include <cstdint>
#include <ctime>

namespace {

uint64_t now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000000000u + static_cast<uint64_t>(time.tv_nsec);
}

size_t number(napi_env env, napi_value value) {
  double result = 0;
  napi_get_value_double(env, value, &result);
  return static_cast<size_t>(result);
}

napi_value fail(napi_env env) {
  napi_throw_error(env, nullptr, pmemblk_errormsg());
  return nullptr;
}

// (path, block size, pool size): the pool, as an external value that lives as long as the process.
napi_value create(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value values[3];
  napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  char path[4096];
  size_t length = 0;
  napi_get_value_string_utf8(env, values[0], path, sizeof(path), &length);
  PMEMblkpool* pool = pmemblk_create(path, number(env, values[1]), number(env, values[2]), 0600);
  if (pool == nullptr) return fail(env);
  napi_value result;
  napi_create_external(env, pool, nullptr, nullptr, &result);
  return result;
}

struct Arguments {
  PMEMblkpool* pool;
  uint8_t* bytes;
  size_t blocks;  // in one operation
  size_t window;  // blocks that the operations walk through
  size_t start;   // index of the first operation
  size_t count;   // operations
};

// (pool, buffer of one operation, window, start, count)
Arguments arguments(napi_env env, napi_callback_info info) {
  size_t count = 5;
  napi_value values[5];
  napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  Arguments result = {};
  void* data = nullptr;
  napi_get_value_external(env, values[0], &data);
  result.pool = static_cast<PMEMblkpool*>(data);
  size_t length = 0;
  napi_get_buffer_info(env, values[1], &data, &length);
  result.bytes = static_cast<uint8_t*>(data);
  result.blocks = length / pmemblk_bsize(result.pool);
  result.window = number(env, values[2]);
  result.start = number(env, values[3]);
  result.count = number(env, values[4]);
  return result;
}

template <typename Step>
napi_value walk(napi_env env, napi_callback_info info, Step step) {
  const Arguments args = arguments(env, info);
  const size_t size = pmemblk_bsize(args.pool);
  const uint64_t start = now();
  for (size_t i = args.start; i < args.start + args.count; i++) {
    const size_t first = (i * args.blocks) % args.window;
    for (size_t k = 0; k < args.blocks; k++) {
      if (step(args.pool, args.bytes + k * size, static_cast<long long>(first + k)) != 0) return fail(env);
    }
  }
  napi_value result;
  napi_create_double(env, static_cast<double>(now() - start), &result);
  return result;
}

napi_value read(napi_env env, napi_callback_info info) {
  return walk(env, info, [](PMEMblkpool* pool, void* bytes, long long block) { return pmemblk_read(pool, bytes, block); });
}

napi_value write(napi_env env, napi_callback_info info) {
  return walk(env, info, [](PMEMblkpool* pool, void* bytes, long long block) { return pmemblk_write(pool, bytes, block); });
}

void add(napi_env env, napi_value exports, const char* name, napi_callback call) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, call, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}

napi_value init(napi_env env, napi_value exports) {
  add(env, exports, "create", create);
  add(env, exports, "read", read);
  add(env, exports, "write", write);
  return exports;
}

}  // namespace

NAPI_MODULE(pmemblk_peer, init)
