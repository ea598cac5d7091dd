#include "node/locks.h"

#include <sys/sysmacros.h>

#include <cerrno>
#include <new>
#include <utility>
#include <vector>

#include "mapping/claims.h"
#include "mapping/mapping.h"
#include "node/arguments.h"
#include "node/context.h"
#include "node/errors.h"
#include "node/handles.h"
#include "system/range_lock.h"

namespace pmem {

namespace {

HeldLock* lock_at(const Napi::CallbackInfo& info) {
  KeptLock* kept = external_of<KeptLock>(info.Env(), info[0]);
  return kept == nullptr ? nullptr : &kept->lock;
}

LockId id_at(const Napi::CallbackInfo& info) {
  const HeldLock* lock = lock_at(info);
  return lock == nullptr ? 0 : lock->id();
}

// The object that holds the lock.
Napi::Value kept_by(Napi::Env env, HeldLock lock) {
  KeptLock* kept = new (std::nothrow) KeptLock{std::move(lock)};
  if (kept == nullptr) {
    throw_errno(env, ENOMEM, "fcntl");
    return env.Undefined();
  }
  context_of(env)->keep(kept);
  const auto finalize = [](Napi::Env, KeptLock* kept) {
    Context::forget(kept);
    delete kept;
  };
  const Napi::Value object = Napi::External<KeptLock>::New(env, kept, finalize);
  if (!object.IsEmpty()) return object;
  finalize(env, kept);
  return env.Undefined();
}

// False: not all of them could be read.
bool ranges_at(const Napi::CallbackInfo& info, size_t index, std::vector<ByteRange>* ranges) {
  const napi_env env = info.Env();
  uint32_t count = 0;
  if (!length_of(env, info[index], &count)) return false;
  for (uint32_t i = 0; i + 1 < count; i += 2) {
    const napi_value begin = element_of(env, info[index], i);
    const napi_value end = element_of(env, info[index], i + 1);
    if (begin == nullptr || end == nullptr) return false;
    const ByteRange range = {to_integer(env, begin), to_integer(env, end)};
    if (range.begin < range.end) ranges->push_back(range);
  }
  return true;
}

void refuse(Napi::Env env, int error, const Obstacle& obstacle) {
  Napi::Error failure = errno_error(env, error, obstacle.syscall);
  const ByteRange& conflict = obstacle.held;
  if (conflict.end > 0) {
    failure.Set("begin", Napi::Number::New(env, static_cast<double>(conflict.begin)));
    failure.Set("end", Napi::Number::New(env, static_cast<double>(conflict.end)));
  }
  failure.ThrowAsJavaScriptException();
}

Napi::Value locked(Napi::Env env, int fd, const std::vector<ByteRange>& ranges, LockKind kind, DeviceClaim claim) {
  LockId id = 0;
  Obstacle obstacle;
  if (const int error = lock_ranges(fd, ranges, kind, claim, &id, &obstacle)) {
    refuse(env, error, obstacle);
    return env.Undefined();
  }
  return kept_by(env, HeldLock(id, kind));
}

}  // namespace

Napi::Value lock(const Napi::CallbackInfo& info) {
  const LockKind kind = flag_at(info, 3) ? LockKind::kExclusive : LockKind::kShared;
  const DeviceClaim claim = flag_at(info, 4) ? DeviceClaim::kLeft : DeviceClaim::kTaken;
  const ByteRange range = {integer_at(info, 1), integer_at(info, 2)};
  return locked(info.Env(), static_cast<int>(integer_at(info, 0)), {range}, kind, claim);
}

Napi::Value lock_alone(const Napi::CallbackInfo& info) {
  std::vector<ByteRange> ranges;
  if (!ranges_at(info, 1, &ranges)) return info.Env().Undefined();
  return locked(info.Env(), static_cast<int>(integer_at(info, 0)), ranges, LockKind::kAlone, DeviceClaim::kTaken);
}

Napi::Value claimed_devices(const Napi::CallbackInfo& info) {
  const std::vector<dev_t> found = claimed_devices();
  Napi::Array result = Napi::Array::New(info.Env(), 2 * found.size());
  for (uint32_t i = 0; i < found.size(); i++) {
    result.Set(2 * i, Napi::Number::New(info.Env(), major(found[i])));
    result.Set(2 * i + 1, Napi::Number::New(info.Env(), minor(found[i])));
  }
  return result;
}

Napi::Value change_lock(const Napi::CallbackInfo& info) {
  Obstacle obstacle;
  std::vector<ByteRange> ranges;
  if (!ranges_at(info, 1, &ranges)) return info.Env().Undefined();
  const int error = change_lock(id_at(info), ranges, &obstacle);
  if (error != 0) refuse(info.Env(), error, obstacle);
  return info.Env().Undefined();
}

Napi::Value retain_lock(const Napi::CallbackInfo& info) {
  const HeldLock* lock = lock_at(info);
  if (lock == nullptr || !retain_lock(lock->id())) return info.Env().Undefined();
  return kept_by(info.Env(), HeldLock(lock->id(), lock->kind()));
}

Napi::Value lock_users(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), lock_users(id_at(info)));
}

Napi::Value unlock(const Napi::CallbackInfo& info) {
  HeldLock* lock = lock_at(info);
  if (lock != nullptr) lock->reset();
  return info.Env().Undefined();
}

Napi::Value claim(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Context* context = context_of(env);
  const double handle = double_at(info, 0);
  const Mapping* mapping = context->find(handle);
  if (mapping == nullptr) {
    throw_errno(env, EBADF, "claim");
    return env.Undefined();
  }
  const size_t offset = size_at(info, 1);
  const size_t length = size_at(info, 2);
  const std::vector<ByteRange> ranges = mapping->ranges(offset, length);
  const Claimant claimant = {context, handle, {mapping->identity(), offset, offset + length}};
  const ClaimKind kind = flag_at(info, 3) ? ClaimKind::kExclusive : ClaimKind::kShared;
  ClaimKind obstacle = ClaimKind::kShared;
  const ClaimId id = pmem::claim(mapping->file(), ranges, kind, claimant, &obstacle);
  if (id == 0) return Napi::Boolean::New(env, obstacle == ClaimKind::kExclusive);
  ClaimId* held = new (std::nothrow) ClaimId(id);
  if (held == nullptr) {
    end_claim(id);
    throw_errno(env, ENOMEM, "claim");
    return env.Undefined();
  }
  const auto collected = [](napi_env, void* data, void*) {
    ClaimId* kept = static_cast<ClaimId*>(data);
    abandon_claim(*kept);
    delete kept;
  };
  napi_value external = nullptr;
  if (napi_create_external(env, held, collected, nullptr, &external) != napi_ok) {
    end_claim(id);
    delete held;
    return env.Undefined();
  }
  return Napi::Value(env, external);
}

Napi::Value unclaim(const Napi::CallbackInfo& info) {
  if (const ClaimId* held = external_of<ClaimId>(info.Env(), info[0])) end_claim(*held);
  return info.Env().Undefined();
}

}  // namespace pmem
