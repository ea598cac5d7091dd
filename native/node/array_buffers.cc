#include "node/array_buffers.h"

#include <cerrno>
#include <new>
#include <vector>

#include "mapping/mapping.h"
#include "node/arguments.h"
#include "node/context.h"
#include "node/errors.h"
#include "node/handles.h"

namespace pmem {

namespace {

// Offsets of allocations of an arena whose ArrayBuffers were collected. Touched on the JavaScript thread only.
struct CollectedList {
  int owners;
  std::vector<double> offsets;

  void disown() {
    if (--owners == 0) delete this;
  }
};

// What one ArrayBuffer holds of the mapping. JavaScript can transfer the memory to an ArrayBuffer that we do not know
// (ArrayBuffer.prototype.transfer); the memory's finalizer follows it. So that finalizer drops the reference, unless an
// ArrayBuffer that still had the memory was detached before. The addresses are held until the ArrayBuffer itself is
// collected: Node.js keeps it alive while a request on it is under way.
struct View {
  Mapping* mapping;  // null once dropped
  Mapping* place;
  int owners;                // the memory's finalizer, the ArrayBuffer's, the sentry's, and the External beside it
  bool moved;                // to an ArrayBuffer that can go to another thread
  CollectedList* collected;  // null unless this is an allocation that is to be noted there
  double offset;
  int holders;      // of the addresses: the memory, and the ArrayBuffer
  napi_ref buffer;  // the ArrayBuffer, weakly; null once its finalizer ran
  napi_ref sentry;  // in a worker

  void forget_addresses() {
    if (--holders != 0 || collected == nullptr) return;
    collected->offsets.push_back(offset);
    leave_collected();
  }
  void leave_collected() {
    if (collected != nullptr) collected->disown();
    collected = nullptr;
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

// A worker that ends finalizes all its memory, even memory that was transferred to another thread; nothing tells when
// that thread has finished with it. Afterwards every ArrayBuffer is detached, so only before can one see whether the
// memory was transferred. Node.js finalizes in the opposite order of creation (node_buffer.cc). So each ArrayBuffer in
// a worker has a sentry, one byte that is created after it and finalized before it. This is the sentry's finalizer.
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
      view->mapping->retain();  // transferred: the memory stays for good
    } else if (buffer == nullptr) {
      // Collected in the thread's last moment, most probably with its memory: the memory goes, the addresses stay.
      view->mapping->retain_place();
    }
  }
  view->disown();
}

// Node-API refused before it took over the finalizer: the runtime has no external buffers, or the worker is being
// stopped.
bool never_took(napi_status status) {
  return status == napi_no_external_buffers_allowed || status == napi_pending_exception || status == napi_cannot_run_js;
}

char sentry_byte;

// Where the sentry cannot be made, memory that was transferred goes when the worker ends.
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

Napi::Value array_buffer(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Mapping* mapping = context_of(env)->find(double_at(info, 0));
  const size_t offset = size_at(info, 1);
  const size_t length = size_at(info, 2);
  if (mapping == nullptr || offset > mapping->length() || length > mapping->length() - offset) {
    throw_errno(env, EINVAL, "mmap");
    return env.Undefined();
  }
  CollectedList* collected = external_of<CollectedList>(env, info[3]);
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
    // After any other failure Node-API calls the finalizer.
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
    view->holders++;
  }
  bool in_worker = false;
  if (napi_get_value_bool(env, info[4], &in_worker) == napi_ok && in_worker) add_sentry(env, view);
  if (collected != nullptr) {
    collected->owners++;
    view->collected = collected;
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

Napi::Value collected_list(const Napi::CallbackInfo& info) {
  CollectedList* list = new (std::nothrow) CollectedList{1, {}};
  if (list == nullptr) {
    throw_errno(info.Env(), ENOMEM, "mmap");
    return info.Env().Undefined();
  }
  return Napi::External<CollectedList>::New(info.Env(), list, [](Napi::Env, CollectedList* kept) { kept->disown(); });
}

Napi::Value take_collected(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::vector<double>& offsets = info[0].As<Napi::External<CollectedList>>().Data()->offsets;
  if (offsets.empty()) return env.Undefined();
  Napi::Array result = Napi::Array::New(env, offsets.size());
  for (size_t i = 0; i < offsets.size(); i++) {
    result.Set(static_cast<uint32_t>(i), Napi::Number::New(env, offsets[i]));
  }
  offsets.clear();
  return result;
}

Napi::Value leave_collected(const Napi::CallbackInfo& info) {
  if (View* view = external_of<View>(info.Env(), info[0])) view->leave_collected();
  return info.Env().Undefined();
}

}  // namespace pmem
