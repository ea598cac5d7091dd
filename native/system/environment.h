// The environment, as far as this process may trust it.
#ifndef PMEM_SYSTEM_ENVIRONMENT_H_
#define PMEM_SYSTEM_ENVIRONMENT_H_

namespace pmem {

// Whether the process has rights that its parent lacks (AT_SECURE): setuid, setgid, file capabilities.
bool is_privileged();

// The value of a variable, or null: not set, empty, or the process is privileged.
const char* setting(const char* name);

}  // namespace pmem

#endif  // PMEM_SYSTEM_ENVIRONMENT_H_
