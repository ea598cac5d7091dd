#include "errors.h"

#include <cstring>

namespace pmem {

void throw_errno(Napi::Env env, int error, const char* syscall) {
  Napi::Error failure = Napi::Error::New(env, strerror(error));
  failure.Set("errno", Napi::Number::New(env, error));
  failure.Set("syscall", Napi::String::New(env, syscall));
  failure.ThrowAsJavaScriptException();
}

}  // namespace pmem
