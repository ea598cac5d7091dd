#include "node/errors.h"

#include <cstring>

namespace pmem {

Napi::Error errno_error(Napi::Env env, int error, const char* syscall) {
  Napi::Error failure = Napi::Error::New(env, strerror(error));
  failure.Set("errno", Napi::Number::New(env, error));
  failure.Set("syscall", Napi::String::New(env, syscall));
  return failure;
}

void throw_errno(Napi::Env env, int error, const char* syscall) {
  errno_error(env, error, syscall).ThrowAsJavaScriptException();
}

}  // namespace pmem
