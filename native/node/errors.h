#ifndef PMEM_NODE_ERRORS_H_
#define PMEM_NODE_ERRORS_H_

#include <napi.h>

namespace pmem {

// An Error with errno and syscall. lib/errors.ts makes of it a PmemError that names the path and the way out.
Napi::Error errno_error(Napi::Env env, int error, const char* syscall);
void throw_errno(Napi::Env env, int error, const char* syscall);

}  // namespace pmem

#endif  // PMEM_NODE_ERRORS_H_
