// For the addons of this folder: arguments, results and exports.
#ifndef PMEM_TEST_CALL_H_
#define PMEM_TEST_CALL_H_

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <string>

// The arguments of a call, and its result.
struct Call {
  static constexpr size_t kMost = 7;

  napi_env env;
  size_t count = kMost;
  napi_value values[kMost];

  Call(napi_env e, napi_callback_info info) : env(e) { napi_get_cb_info(env, info, &count, values, nullptr, nullptr); }

  // 0 where it is missing.
  int64_t number(size_t i) const {
    int64_t value = 0;
    if (i < count) napi_get_value_int64(env, values[i], &value);
    return value;
  }
  // Of a BigInt: all 64 bits.
  uint64_t word(size_t i) const {
    uint64_t value = 0;
    bool lossless;
    napi_get_value_bigint_uint64(env, values[i], &value, &lossless);
    return value;
  }
  std::string text(size_t i) const {
    char bytes[4096];
    size_t length = 0;
    napi_get_value_string_utf8(env, values[i], bytes, sizeof(bytes), &length);
    return std::string(bytes, length);
  }
  uint8_t* bytes(size_t i, size_t* length) const {
    void* data = nullptr;
    napi_get_buffer_info(env, values[i], &data, length);
    return static_cast<uint8_t*>(data);
  }
  napi_value result(int64_t value) const {
    napi_value number;
    napi_create_int64(env, value, &number);
    return number;
  }
  napi_value result(bool value) const {
    napi_value flag;
    napi_get_boolean(env, value, &flag);
    return flag;
  }
};

struct Export {
  const char* name;
  napi_callback call;
};

template <size_t N>
napi_value add_exports(napi_env env, napi_value exports, const Export (&calls)[N]) {
  for (const Export& one : calls) {
    napi_value function;
    napi_create_function(env, one.name, NAPI_AUTO_LENGTH, one.call, nullptr, &function);
    napi_set_named_property(env, exports, one.name, function);
  }
  return exports;
}

#endif  // PMEM_TEST_CALL_H_
