#include "node/async.h"

#include <cerrno>
#include <functional>
#include <utility>

#include "arch/arch.h"
#include "node/arguments.h"
#include "node/context.h"
#include "node/handles.h"
#include "store/copy.h"
#include "store/durable.h"
#include "store/populate.h"

namespace pmem {

namespace {

using Operation = std::function<int(const Span&, Fault*)>;

// Holds the mapping, and the mapping that the array may lie on: closing a region neither unmaps what is copied nor lets
// others have it. Not a Napi::AsyncWorker: in a worker that is being stopped, that cannot be queued, does not say so,
// and would hold them for ever.
class Job {
 public:
  Job(Napi::Env env, napi_deferred promise, const Span& span, Operation operation)
      : env_(env), context_(context_of(env)), promise_(promise), span_(span), operation_(std::move(operation)) {
    span_.flushed_end = &flushed_end_;
    span_.mapping->begin_job(span_.offset, span_.length);
    context_->retain();
  }
  ~Job() {
    context_->release();
    span_.mapping->end_job(span_.offset, span_.length);
    if (other_.mapping != nullptr) other_.mapping->end_job(other_.offset, other_.length);
    if (work_ != nullptr) napi_delete_async_work(env_, work_);
  }
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  void hold(const Napi::Value& bytes) {
    bytes_ = Napi::Persistent(bytes.As<Napi::Object>());
    const uint8_t* data = bytes.As<Napi::Uint8Array>().Data();
    Mapping* mapping = Mapping::holding(data);
    if (mapping == nullptr) return;
    other_ = {mapping, static_cast<size_t>(data - mapping->base()), span_.length, nullptr};
    mapping->begin_job(other_.offset, other_.length);
    mapping->release();  // the job has a reference of its own
  }

  // False: it will not run, and the caller keeps it. Otherwise it deletes itself when done.
  bool start() {
    napi_value name = nullptr;
    if (napi_create_string_utf8(env_, "pmem", NAPI_AUTO_LENGTH, &name) != napi_ok) return false;
    if (napi_create_async_work(env_, nullptr, name, execute, complete, this, &work_) != napi_ok) {
      work_ = nullptr;
      return false;
    }
    return napi_queue_async_work(env_, work_) == napi_ok;
  }

 private:
  static void execute(napi_env, void* data) {
    Job* job = static_cast<Job*>(data);
    job->status_ = job->operation_(job->span_, &job->fault_);
    fence();  // a fence waits for its own thread alone, and the next drain is another thread's
  }

  static void complete(napi_env env, napi_status status, void* data) {
    Job* job = static_cast<Job*>(data);
    job->context_->note_flushed(job->span_.mapping, job->flushed_end_);
    if (status == napi_ok) napi_resolve_deferred(env, job->promise_, job->outcome());
    delete job;
  }

  Napi::Value outcome() const {
    const Napi::Env env = env_;
    const bool damaged = status_ == kDamaged;
    const double code = damaged ? static_cast<double>(span_.mapping->damage()) : fault_.code;
    const double offset =
        damaged ? static_cast<double>(span_.mapping->damage_offset()) : offset_of(span_.mapping, fault_);
    Napi::Object result = Napi::Object::New(env);
    result.Set("status", Napi::Number::New(env, status_));
    result.Set("signal", Napi::Number::New(env, fault_.signal));
    result.Set("code", Napi::Number::New(env, code));
    result.Set("offset", Napi::Number::New(env, offset));
    return result;
  }

  const napi_env env_;
  Context* const context_;
  const napi_deferred promise_;
  Span span_;
  Operation operation_;
  napi_async_work work_ = nullptr;
  Napi::ObjectReference bytes_;
  Span other_ = {};
  off_t flushed_end_ = 0;
  Fault fault_ = {};
  int status_ = kOk;
};

// Resolves the promise of a job that did not start.
void settle(Napi::Env env, napi_deferred promise, int status) {
  Napi::Object refused = Napi::Object::New(env);
  refused.Set("status", Napi::Number::New(env, status));
  napi_resolve_deferred(env, promise, refused);
}

// Queues the operation on the span that the first arguments name. A bad span is answered at once, by the promise.
Napi::Value queue(const Napi::CallbackInfo& info, size_t length, Operation operation, const Napi::Value* bytes) {
  const Napi::Env env = info.Env();
  // Not Napi::Promise::Deferred: in a worker that is being stopped, it has a wild pointer in place of a promise.
  napi_deferred deferred = nullptr;
  napi_value promise = nullptr;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) return env.Undefined();
  Span span = {context_of(env)->find(double_at(info, 0)), size_at(info, 1), length, nullptr};
  const bool open = span.mapping != nullptr;
  if (!open || span.offset > span.mapping->length() || length > span.mapping->length() - span.offset) {
    settle(env, deferred, open ? kRange : kClosed);
    return Napi::Value(env, promise);
  }
  Job* job = new Job(env, deferred, span, std::move(operation));
  if (bytes != nullptr) job->hold(*bytes);
  if (!job->start()) {
    delete job;
    settle(env, deferred, ENOMEM);
  }
  return Napi::Value(env, promise);
}

Completion completion_at(const Napi::CallbackInfo& info, size_t index) {
  return static_cast<Completion>(integer_at(info, index));
}

}  // namespace

Napi::Value write_async(const Napi::CallbackInfo& info) {
  const Napi::Value bytes = info[2];
  const Napi::Uint8Array source = bytes.As<Napi::Uint8Array>();
  const uint8_t* data = source.Data();
  const Completion completion = completion_at(info, 3);
  const auto operation = [data, completion](const Span& span, Fault* fault) {
    return write(span, data, completion, fault);
  };
  return queue(info, source.ByteLength(), operation, &bytes);
}

Napi::Value read_async(const Napi::CallbackInfo& info) {
  const Napi::Value bytes = info[2];
  Napi::Uint8Array target = bytes.As<Napi::Uint8Array>();
  uint8_t* data = target.Data();
  const auto operation = [data](const Span& span, Fault* fault) { return read(span, data, fault); };
  return queue(info, target.ByteLength(), operation, &bytes);
}

Napi::Value fill_async(const Napi::CallbackInfo& info) {
  const size_t length = size_at(info, 2);
  const uint8_t byte = static_cast<uint8_t>(integer_at(info, 3));
  const Completion completion = completion_at(info, 4);
  const auto operation = [byte, completion](const Span& span, Fault* fault) {
    return fill(span, byte, completion, fault);
  };
  return queue(info, length, operation, nullptr);
}

Napi::Value persist_async(const Napi::CallbackInfo& info) {
  const auto operation = [](const Span& span, Fault* fault) { return persist(span, fault); };
  return queue(info, size_at(info, 2), operation, nullptr);
}

Napi::Value populate_async(const Napi::CallbackInfo& info) {
  const size_t length = size_at(info, 2);
  const bool writable = flag_at(info, 3);
  const auto operation = [writable](const Span& span, Fault* fault) {
    return populate_range(span.mapping->base() + span.offset, span.length, writable, fault);
  };
  return queue(info, length, operation, nullptr);
}

}  // namespace pmem
