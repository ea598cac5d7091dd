#include "handles.h"

#include <sys/mman.h>

#include <cerrno>
#include <new>
#include <utility>
#include <vector>

#include "arguments.h"
#include "claims.h"
#include "context.h"
#include "errors.h"
#include "interrupts.h"
#include "mapping.h"
#include "range_lock.h"

namespace pmem {

namespace {

// Closes the handle when JavaScript forgot to: its finalizer runs when the Region was collected.
struct Keeper {
  Context* context;
  double handle;
};

void forget(Napi::Env, Keeper* keeper) {
  // Buffers may still be in use, so the range lock is kept until they are gone too: release without close_handle.
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
  // From here on the handle is the environment's, whatever JavaScript gets to know of it.
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

// Where the pieces of a mapping that garbage collection gave back begin. Touched on the JavaScript thread only.
struct Pieces {
  int owners;
  std::vector<double> given_back;

  void disown() {
    if (--owners == 0) delete this;
  }
};

// What one ArrayBuffer holds of the mapping. The memory can move to an ArrayBuffer that we do not know of
// (ArrayBuffer.prototype.transfer), and its finalizer with it; so the reference is dropped by that finalizer, or before
// by detaching an ArrayBuffer that still has the memory. The addresses are held until the ArrayBuffer itself is
// collected: requests that Node.js has under way keep it alive.
struct View {
  Mapping* mapping;  // null once dropped
  Mapping* place;
  int owners;      // the memory's finalizer, the ArrayBuffer's, the sentry's, and the External beside it
  bool moved;      // to an ArrayBuffer that can go to another thread
  Pieces* pieces;  // null unless it is one
  double offset;
  int knowing;      // who knows the addresses: the memory's finalizer and the ArrayBuffer's tell when nobody does
  napi_ref buffer;  // the ArrayBuffer, weakly; null once its finalizer ran
  napi_ref sentry;  // in a worker

  void forget_addresses() {
    if (--knowing != 0 || pieces == nullptr) return;
    pieces->given_back.push_back(offset);
    leave_pieces();
  }
  void leave_pieces() {
    if (pieces != nullptr) pieces->disown();
    pieces = nullptr;
  }
  void drop() {
    if (mapping == nullptr) return;
    Mapping* dropped = mapping;
    mapping = nullptr;
    dropped->release();
  }
  void disown() {
    if (--owners == 0) delete this;
  }
};

// A worker that ends finalizes its memory whoever has it by then, also an ArrayBuffer that came to another thread, and
// nobody will tell when that one is done with it. Whether the memory went elsewhere can only be seen before: afterwards
// every ArrayBuffer is detached. Node.js ends them in the opposite order of their making (node_buffer.cc), so one byte
// that is made after the ArrayBuffer comes to its end before it: this is that byte's finalizer.
void keep_for_others(napi_env env, void*, void* hint) {
  View* view = static_cast<View*>(hint);
  napi_handle_scope scope;
  if (view->mapping != nullptr && napi_open_handle_scope(env, &scope) == napi_ok) {
    napi_value buffer = nullptr;
    bool detached = false;
    const bool collected = view->buffer == nullptr;
    if (!collected) napi_get_reference_value(env, view->buffer, &buffer);
    if (buffer != nullptr) napi_is_detached_arraybuffer(env, buffer, &detached);
    napi_close_handle_scope(env, scope);
    if (detached || collected || view->moved) {
      view->mapping->retain();  // it is elsewhere, and stays for good
    } else if (buffer == nullptr) {
      // Collected in the thread's last moment, with its memory most probably: that is given back, the addresses are
      // not.
      view->mapping->retain_place();
    }
  }
  view->disown();
}

// Node-API refused before it looked at the arguments.
bool never_took(napi_status status) {
  return status == napi_no_external_buffers_allowed || status == napi_pending_exception || status == napi_cannot_run_js;
}

char sentry_byte;

// Where it cannot be made, what another thread got is lost as before.
void add_sentry(napi_env env, View* view) {
  napi_value buffer;
  view->owners++;
  const napi_status status = napi_create_external_arraybuffer(env, &sentry_byte, 1, keep_for_others, view, &buffer);
  if (status == napi_ok) napi_create_reference(env, buffer, 1, &view->sentry);
  if (never_took(status)) view->owners--;
}

void finalize_view(napi_env env, void*, void* hint) {
  View* view = static_cast<View*>(hint);
  if (view->sentry != nullptr) napi_delete_reference(env, view->sentry);
  view->drop();
  view->forget_addresses();
  view->disown();
}

void finalize_buffer(napi_env env, void* data, void*) {
  View* view = static_cast<View*>(data);
  napi_delete_reference(env, view->buffer);
  view->buffer = nullptr;
  view->place->release_place();
  view->forget_addresses();
  view->disown();
}

}  // namespace

Context* context_of(Napi::Env env) { return env.GetInstanceData<Context>(); }

Napi::Value map(const Napi::CallbackInfo& info) {
  const Options options(info.Env(), info[0]);
  MapRequest request = {};
  request.fd = static_cast<int>(options.number("fd"));
  request.offset = static_cast<off_t>(options.number("offset"));
  request.length = options.size("length");
  request.page_size = options.size("pageSize");
  request.alignment = options.size("alignment");
  request.must_align = options.flag("mustAlign");
  request.writable = options.flag("writable");
  request.try_sync = options.flag("trySync");
  request.populate = options.flag("populate");
  request.read_back = options.flag("readBack");
  request.extents = extents_in(info.Env(), options.value("extents"));
  if (!request.extents.empty()) request.offset = request.extents.front().offset;
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

Napi::Value array_buffer(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Mapping* mapping = context_of(env)->find(double_at(info, 0));
  const size_t offset = size_at(info, 1);
  const size_t length = size_at(info, 2);
  if (mapping == nullptr || offset > mapping->length() || length > mapping->length() - offset) {
    throw_errno(env, EINVAL, "mmap");
    return env.Undefined();
  }
  Pieces* pieces = external_of<Pieces>(env, info[3]);
  View* view =
      new (std::nothrow) View{mapping, mapping, 2, false, nullptr, static_cast<double>(offset), 1, nullptr, nullptr};
  if (view == nullptr) {
    throw_errno(env, ENOMEM, "mmap");
    return env.Undefined();
  }
  mapping->retain();
  napi_value buffer;
  const napi_status status =
      napi_create_external_arraybuffer(env, mapping->base() + offset, length, finalize_view, view, &buffer);
  if (status != napi_ok) {
    // Runtimes without external buffers never took the finalizer, nor does a worker that is being stopped; any other
    // failure calls it.
    if (never_took(status)) {
      view->drop();
      view->owners = 1;
    }
    view->disown();
    if (!env.IsExceptionPending()) throw_errno(env, ENOTSUP, "napi_create_external_arraybuffer");
    return env.Undefined();
  }
  if (napi_add_finalizer(env, buffer, view, finalize_buffer, nullptr, &view->buffer) == napi_ok) {
    mapping->retain_place();
    view->owners++;
    view->knowing++;
  }
  bool in_worker = false;
  if (napi_get_value_bool(env, info[4], &in_worker) == napi_ok && in_worker) add_sentry(env, view);
  if (pieces != nullptr) {
    pieces->owners++;
    view->pieces = pieces;
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("buffer", Napi::Value(env, buffer));
  result.Set("view", Napi::External<View>::New(env, view, [](Napi::Env, View* kept) { kept->disown(); }));
  return result;
}

Napi::Value detach(const Napi::CallbackInfo& info) {
  bool gone = true;
  napi_is_detached_arraybuffer(info.Env(), info[0], &gone);
  View* view = external_of<View>(info.Env(), info[1]);
  if (gone || view == nullptr || napi_detach_arraybuffer(info.Env(), info[0]) != napi_ok) return info.Env().Undefined();
  view->drop();
  return info.Env().Undefined();
}

Napi::Value moves(const Napi::CallbackInfo& info) {
  if (View* view = external_of<View>(info.Env(), info[0])) view->moved = true;
  return info.Env().Undefined();
}

Napi::Value pieces(const Napi::CallbackInfo& info) {
  Pieces* made = new (std::nothrow) Pieces{1, {}};
  if (made == nullptr) {
    throw_errno(info.Env(), ENOMEM, "mmap");
    return info.Env().Undefined();
  }
  return Napi::External<Pieces>::New(info.Env(), made, [](Napi::Env, Pieces* kept) { kept->disown(); });
}

Napi::Value take_pieces(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::vector<double>& given_back = info[0].As<Napi::External<Pieces>>().Data()->given_back;
  if (given_back.empty()) return env.Undefined();
  Napi::Array result = Napi::Array::New(env, given_back.size());
  for (size_t i = 0; i < given_back.size(); i++) {
    result.Set(static_cast<uint32_t>(i), Napi::Number::New(env, given_back[i]));
  }
  given_back.clear();
  return result;
}

Napi::Value keep_piece(const Napi::CallbackInfo& info) {
  if (View* view = external_of<View>(info.Env(), info[0])) view->leave_pieces();
  return info.Env().Undefined();
}

}  // namespace pmem
