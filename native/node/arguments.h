// Arguments of calls. In a worker that is being stopped, Node-API refuses at any moment what could run JavaScript, and
// node-addon-api aborts the process when it uses a value that it did not get. So arguments are read here, without
// coercion. One that cannot be read is 0, false or null; no JavaScript will see the result.
#ifndef PMEM_NODE_ARGUMENTS_H_
#define PMEM_NODE_ARGUMENTS_H_

#include <napi.h>

#include <cstddef>
#include <cstdint>

namespace pmem {

inline double to_double(napi_env env, napi_value value) {
  double number = 0;
  return value != nullptr && napi_get_value_double(env, value, &number) == napi_ok ? number : 0;
}

// Towards zero. 0 if it is no number, or not finite.
inline int64_t to_integer(napi_env env, napi_value value) {
  int64_t number = 0;
  return value != nullptr && napi_get_value_int64(env, value, &number) == napi_ok ? number : 0;
}

inline bool to_flag(napi_env env, napi_value value) {
  bool flag = false;
  return value != nullptr && napi_get_value_bool(env, value, &flag) == napi_ok && flag;
}

inline double double_at(const Napi::CallbackInfo& info, size_t i) { return to_double(info.Env(), info[i]); }
inline int64_t integer_at(const Napi::CallbackInfo& info, size_t i) { return to_integer(info.Env(), info[i]); }
inline size_t size_at(const Napi::CallbackInfo& info, size_t i) { return static_cast<size_t>(integer_at(info, i)); }
inline bool flag_at(const Napi::CallbackInfo& info, size_t i) { return to_flag(info.Env(), info[i]); }

// The length of an array. False: it is none, or cannot be read.
inline bool length_of(napi_env env, napi_value array, uint32_t* length) {
  return array != nullptr && napi_get_array_length(env, array, length) == napi_ok;
}
inline napi_value element_of(napi_env env, napi_value array, uint32_t i) {
  napi_value element = nullptr;
  return napi_get_element(env, array, i, &element) == napi_ok ? element : nullptr;
}

// What an External of ours points to. Null if the value is none.
template <typename T>
T* external_of(napi_env env, napi_value value) {
  void* data = nullptr;
  if (value == nullptr || napi_get_value_external(env, value, &data) != napi_ok) return nullptr;
  return static_cast<T*>(data);
}

// The properties of an argument that is an object.
class Options {
 public:
  Options(napi_env env, napi_value object) : env_(env), object_(object) {}

  // Own properties only: what somebody added to Object.prototype is no argument.
  napi_value value(const char* name) const {
    napi_value key = nullptr;
    napi_value found = nullptr;
    bool own = false;
    if (napi_create_string_utf8(env_, name, NAPI_AUTO_LENGTH, &key) != napi_ok) return nullptr;
    if (napi_has_own_property(env_, object_, key, &own) != napi_ok || !own) return nullptr;
    return napi_get_property(env_, object_, key, &found) == napi_ok ? found : nullptr;
  }
  double number(const char* name) const { return to_double(env_, value(name)); }
  size_t size(const char* name) const { return static_cast<size_t>(number(name)); }
  bool flag(const char* name) const { return to_flag(env_, value(name)); }

 private:
  napi_env env_;
  napi_value object_;
};

}  // namespace pmem

#endif  // PMEM_NODE_ARGUMENTS_H_
