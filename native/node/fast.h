// The hot calls (HotCalls in lib/binding.ts): arguments and outcome are in the mailbox of the context.
#ifndef PMEM_NODE_FAST_H_
#define PMEM_NODE_FAST_H_

#include <node_api.h>

namespace pmem {

class Context;

// Adds the hot calls to the exports. False: an exception is pending.
bool add_fast_calls(napi_env env, napi_value exports, Context* context);

}  // namespace pmem

#endif  // PMEM_NODE_FAST_H_
