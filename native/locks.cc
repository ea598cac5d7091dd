#include "locks.h"

#include <cerrno>
#include <new>
#include <vector>

#include "claims.h"
#include "context.h"
#include "errors.h"
#include "handles.h"
#include "mapping.h"
#include "range_lock.h"

namespace pmem {

namespace {

off_t offset_of(const Napi::Value& value) { return static_cast<off_t>(value.ToNumber().Int64Value()); }
LockId lock_of(const Napi::Value& value) { return static_cast<LockId>(value.ToNumber().Int64Value()); }

std::vector<ByteRange> ranges_of(const Napi::Value& value) {
  std::vector<ByteRange> ranges;
  const Napi::Array numbers = value.As<Napi::Array>();
  for (uint32_t i = 0; i + 1 < numbers.Length(); i += 2) {
    const ByteRange range = {offset_of(numbers.Get(i)), offset_of(numbers.Get(i + 1))};
    if (range.begin < range.end) ranges.push_back(range);
  }
  return ranges;
}

void refuse(Napi::Env env, int error, const ByteRange& conflict) {
  Napi::Error failure = errno_error(env, error, "fcntl");
  if (conflict.end > 0) {
    failure.Set("begin", Napi::Number::New(env, static_cast<double>(conflict.begin)));
    failure.Set("end", Napi::Number::New(env, static_cast<double>(conflict.end)));
  }
  failure.ThrowAsJavaScriptException();
}

Napi::Value locked(Napi::Env env, int fd, const std::vector<ByteRange>& ranges, LockKind kind) {
  LockId id = 0;
  ByteRange conflict = {};
  if (const int error = lock_ranges(fd, ranges, kind, &id, &conflict)) {
    refuse(env, error, conflict);
    return env.Undefined();
  }
  return Napi::Number::New(env, static_cast<double>(id));
}

}  // namespace

Napi::Value lock(const Napi::CallbackInfo& info) {
  const LockKind kind = info[3].ToBoolean().Value() ? LockKind::kExclusive : LockKind::kShared;
  return locked(info.Env(), info[0].ToNumber().Int32Value(), {{offset_of(info[1]), offset_of(info[2])}}, kind);
}

Napi::Value lock_alone(const Napi::CallbackInfo& info) {
  return locked(info.Env(), info[0].ToNumber().Int32Value(), ranges_of(info[1]), LockKind::kAlone);
}

Napi::Value change_lock(const Napi::CallbackInfo& info) {
  ByteRange conflict = {};
  const int error = change_lock(lock_of(info[0]), ranges_of(info[1]), &conflict);
  if (error != 0) refuse(info.Env(), error, conflict);
  return info.Env().Undefined();
}

Napi::Value retain_lock(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), retain_lock(lock_of(info[0])));
}

Napi::Value lock_users(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), lock_users(lock_of(info[0])));
}

Napi::Value keep_lock(const Napi::CallbackInfo& info) {
  LockId* kept = new (std::nothrow) LockId(lock_of(info[0]));
  if (kept == nullptr) {
    throw_errno(info.Env(), ENOMEM, "fcntl");
    return info.Env().Undefined();
  }
  return Napi::External<LockId>::New(info.Env(), kept, [](Napi::Env, LockId* kept) {
    unlock(*kept);
    delete kept;
  });
}

Napi::Value drop_lock(const Napi::CallbackInfo& info) {
  LockId* kept = info[0].As<Napi::External<LockId>>().Data();
  unlock(*kept);
  *kept = 0;
  return info.Env().Undefined();
}

Napi::Value unlock(const Napi::CallbackInfo& info) {
  unlock(lock_of(info[0]));
  return info.Env().Undefined();
}

Napi::Value claim(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Context* context = context_of(env);
  const double handle = info[0].ToNumber().DoubleValue();
  const Mapping* mapping = context->find(handle);
  if (mapping == nullptr) {
    throw_errno(env, EBADF, "claim");
    return env.Undefined();
  }
  const size_t offset = static_cast<size_t>(info[1].ToNumber().Int64Value());
  const std::vector<ByteRange> ranges = mapping->ranges(offset, static_cast<size_t>(info[2].ToNumber().Int64Value()));
  const ClaimKind kind = info[3].ToBoolean().Value() ? ClaimKind::kExclusive : ClaimKind::kShared;
  ClaimKind obstacle = ClaimKind::kShared;
  const ClaimId id = pmem::claim(mapping->file(), ranges, kind, context, handle, &obstacle);
  if (id == 0) return Napi::Boolean::New(env, obstacle == ClaimKind::kExclusive);
  ClaimId* held = new (std::nothrow) ClaimId(id);
  if (held == nullptr) {
    end_claim(id);
    throw_errno(env, ENOMEM, "claim");
    return env.Undefined();
  }
  return Napi::External<ClaimId>::New(env, held, [](Napi::Env, ClaimId* kept) {
    end_claim(*kept);
    delete kept;
  });
}

Napi::Value unclaim(const Napi::CallbackInfo& info) {
  end_claim(*info[0].As<Napi::External<ClaimId>>().Data());
  return info.Env().Undefined();
}

}  // namespace pmem
