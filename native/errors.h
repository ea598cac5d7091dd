#ifndef PMEM_ERRORS_H_
#define PMEM_ERRORS_H_

#include <napi.h>

namespace pmem {

// Throws an Error with errno and syscall; lib/errors.ts turns it into a PmemError that names the path and the way out.
void throw_errno(Napi::Env env, int error, const char* syscall);

}  // namespace pmem

#endif  // PMEM_ERRORS_H_
