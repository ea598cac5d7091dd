#include "node/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <string>

#include "arch/cpu.h"
#include "system/environment.h"
#include "system/say.h"

namespace pmem {

Napi::Value page_size(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(sysconf(_SC_PAGESIZE)));
}

Napi::Value describe_cpu(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Cpu& found = cpu();
  Napi::Object result = Napi::Object::New(env);
  result.Set("flush", found.flush_name);
  result.Set("copy", found.copy_name);
  result.Set("crc32c", found.crc32c ? "instruction" : "table");
  result.Set("cacheLine", Napi::Number::New(env, static_cast<double>(found.cache_line)));
  result.Set("nontemporalThreshold", Napi::Number::New(env, static_cast<double>(found.nontemporal_threshold)));
  result.Set("refused", found.refused == nullptr ? env.Null() : Napi::Value(Napi::String::New(env, found.refused)));
  return result;
}

Napi::Value is_privileged(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), is_privileged()); }

Napi::Value say_once(const Napi::CallbackInfo& info) {
  static std::atomic<bool> said(false);
  if (said.exchange(true)) return info.Env().Undefined();
  const std::string line = info[0].As<Napi::String>().Utf8Value() + "\n";
  say(line.data(), line.size());
  return info.Env().Undefined();
}

Napi::Value thread_faults(const Napi::CallbackInfo& info) {
  struct rusage usage;
  if (getrusage(RUSAGE_THREAD, &usage) != 0) return Napi::Number::New(info.Env(), -1);
  return Napi::Number::New(info.Env(), static_cast<double>(usage.ru_minflt + usage.ru_majflt));
}

}  // namespace pmem
