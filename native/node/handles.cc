#include "node/handles.h"

#include <sys/mman.h>

#include <cerrno>
#include <new>
#include <utility>
#include <vector>

#include "mapping/claims.h"
#include "mapping/mapping.h"
#include "node/arguments.h"
#include "node/context.h"
#include "node/errors.h"
#include "system/range_lock.h"
#include "system/uninterrupted.h"

namespace pmem {

namespace {

// Closes a handle that JavaScript forgot: its finalizer runs when the Region was collected.
struct Keeper {
  Context* context;
  double handle;
};

void forget(Napi::Env, Keeper* keeper) {
  // Buffers may still be in use, so the range lock stays until they are gone: release, not close_handle.
  if (Mapping* mapping = keeper->context->remove(keeper->handle)) mapping->release();
  keeper->context->release();
  delete keeper;
}

}  // namespace

Napi::Value opened(Napi::Env env, Mapping* mapping, HeldLock* lock) {
  Context* context = context_of(env);
  const double handle = context->add(mapping);
  Keeper* keeper = handle < 0 ? nullptr : new (std::nothrow) Keeper{context, handle};
  if (keeper == nullptr) {
    if (handle >= 0) context->remove(handle);
    mapping->close_handle();
    throw_errno(env, ENOMEM, "mmap");
    return env.Undefined();
  }
  // From here on the environment owns the handle, whether JavaScript learns of it or not.
  if (lock != nullptr) mapping->take_lock(std::move(*lock));
  context->retain();
  Napi::Object result = Napi::Object::New(env);
  result.Set("handle", Napi::Number::New(env, handle));
  const Napi::External<Keeper> kept = Napi::External<Keeper>::New(env, keeper, forget);
  if (kept.IsEmpty()) {  // the environment ends, and closes the handle
    context->release();
    delete keeper;
  }
  result.Set("keeper", kept);
  result.Set("synchronous", Napi::Boolean::New(env, mapping->synchronous()));
  result.Set("size", Napi::Number::New(env, static_cast<double>(mapping->length())));
  return result;
}

namespace {

std::vector<Extent> extents_in(napi_env env, napi_value list) {
  std::vector<Extent> found;
  uint32_t count = 0;
  if (!length_of(env, list, &count)) return found;
  for (uint32_t i = 0; i < count; i++) {
    const Options one(env, element_of(env, list, i));
    found.push_back({static_cast<off_t>(one.number("offset")), one.size("length")});
  }
  return found;
}

}  // namespace

Context* context_of(Napi::Env env) { return env.GetInstanceData<Context>(); }

Napi::Value map(const Napi::CallbackInfo& info) {
  const Options options(info.Env(), info[0]);
  MapRequest request = {};
  request.fd = static_cast<int>(options.number("fd"));
  request.length = options.size("length");
  request.page_size = options.size("pageSize");
  request.alignment = options.size("alignment");
  request.must_align = options.flag("mustAlign");
  request.writable = options.flag("writable");
  request.try_sync = options.flag("trySync");
  request.populate = options.flag("populate");
  request.read_back = options.flag("readBack");
  request.extents = extents_in(info.Env(), options.value("extents"));
  request.address = static_cast<uintptr_t>(options.number("address"));
  request.small_pages = options.flag("smallPages");
  request.dont_dump = options.flag("dontDump");
  request.no_reserve = options.flag("noReserve");
  Mapping* mapping = nullptr;
  const char* syscall = nullptr;
  if (const int error = Mapping::create(request, &mapping, &syscall)) {
    throw_errno(info.Env(), error, syscall);
    return info.Env().Undefined();
  }
  KeptLock* kept = external_of<KeptLock>(info.Env(), options.value("lock"));
  return opened(info.Env(), mapping, kept == nullptr ? nullptr : &kept->lock);
}

Napi::Value set_granularity(const Napi::CallbackInfo& info) {
  Mapping* mapping = context_of(info.Env())->find(double_at(info, 0));
  if (mapping != nullptr) mapping->set_granularity(static_cast<Granularity>(integer_at(info, 1)));
  return info.Env().Undefined();
}

Napi::Value sync_all(const Napi::CallbackInfo& info) {
  Mapping* mapping = context_of(info.Env())->find(double_at(info, 0));
  const auto sync = [=] { return msync(mapping->base(), mapping->length(), MS_SYNC); };
  if (mapping == nullptr || uninterrupted(sync) != 0) {
    const int error = mapping == nullptr ? EBADF : errno;
    if (mapping != nullptr) mapping->mark_damaged(Damage::kSyncFailed, 0);
    throw_errno(info.Env(), error, "msync");
  }
  return info.Env().Undefined();
}

Napi::Value identify(const Napi::CallbackInfo& info) {
  const Mapping* mapping = context_of(info.Env())->find(double_at(info, 0));
  return Napi::Number::New(info.Env(), mapping == nullptr ? 0 : static_cast<double>(mapping->identity()));
}

Napi::Value attach(const Napi::CallbackInfo& info) {
  Mapping* mapping = Mapping::attach(static_cast<uint64_t>(integer_at(info, 0)));
  return mapping == nullptr ? info.Env().Undefined() : opened(info.Env(), mapping);
}

Napi::Value close(const Napi::CallbackInfo& info) {
  Context* context = context_of(info.Env());
  const double handle = double_at(info, 0);
  if (Mapping* mapping = context->remove(handle)) {
    abandon_claims_of(context, handle);
    mapping->close_handle();
  }
  return info.Env().Undefined();
}

}  // namespace pmem
