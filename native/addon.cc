// The calls that JavaScript can make. Contracts: lib/binding.ts.
#include <napi.h>

#include "node/array_buffers.h"
#include "node/async.h"
#include "node/context.h"
#include "node/fast.h"
#include "node/files.h"
#include "node/handles.h"
#include "node/locks.h"
#include "node/numa.h"
#include "node/pages.h"
#include "node/process.h"

namespace {

void end_of_environment(Napi::Env, pmem::Context* context) {
  context->close_all();
  context->release();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  pmem::Context* context = pmem::Context::create(env);
  if (context == nullptr || !pmem::add_fast_calls(env, exports, context)) {
    Napi::Error::New(env, "pmem: out of memory").ThrowAsJavaScriptException();
    return exports;
  }
  env.SetInstanceData<pmem::Context, end_of_environment>(context);

  napi_value mailbox;
  napi_get_reference_value(env, context->mailbox_reference(), &mailbox);
  exports.Set("mailbox", Napi::Value(env, mailbox));

  const struct {
    const char* name;
    Napi::Value (*call)(const Napi::CallbackInfo&);
  } calls[] = {
      {"map", pmem::map},
      {"setGranularity", pmem::set_granularity},
      {"syncAll", pmem::sync_all},
      {"identify", pmem::identify},
      {"attach", pmem::attach},
      {"close", pmem::close},
      {"arrayBuffer", pmem::array_buffer},
      {"detach", pmem::detach},
      {"moves", pmem::moves},
      {"claim", pmem::claim},
      {"unclaim", pmem::unclaim},
      {"collectedList", pmem::collected_list},
      {"takeCollected", pmem::take_collected},
      {"leaveCollected", pmem::leave_collected},
      {"mapNode", pmem::map_node},
      {"bindNode", pmem::bind_node},
      {"pagesByNode", pmem::pages_by_node},
      {"lock", pmem::lock},
      {"lockAlone", pmem::lock_alone},
      {"claimedDevices", pmem::claimed_devices},
      {"changeLock", pmem::change_lock},
      {"retainLock", pmem::retain_lock},
      {"lockUsers", pmem::lock_users},
      {"unlock", pmem::unlock},
      {"allocate", pmem::allocate},
      {"link", pmem::link_file},
      {"renameNew", pmem::rename_new},
      {"writeDirect", pmem::write_direct},
      {"pageSize", pmem::page_size},
      {"cpu", pmem::describe_cpu},
      {"probeSync", pmem::probe_sync},
      {"writeAsync", pmem::write_async},
      {"readAsync", pmem::read_async},
      {"fillAsync", pmem::fill_async},
      {"persistAsync", pmem::persist_async},
      {"addressOf", pmem::address_of},
      {"populate", pmem::populate},
      {"populateAsync", pmem::populate_async},
      {"unpopulate", pmem::unpopulate},
      {"hugePages", pmem::huge_pages},
      {"probeAddress", pmem::probe_address},
      {"threadFaults", pmem::thread_faults},
      {"seals", pmem::seals},
      {"isPrivileged", pmem::is_privileged},
      {"sayOnce", pmem::say_once},
      {"loopFile", pmem::loop_file},
      {"btrfsId", pmem::btrfs_id},
      {"xfsReflink", pmem::xfs_reflink},
  };
  for (const auto& one : calls) exports.Set(one.name, Napi::Function::New(env, one.call, one.name));
  return exports;
}

NODE_API_MODULE(pmem, init)

}  // namespace
