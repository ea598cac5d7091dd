#include "system/environment.h"

#include <sys/auxv.h>

#include <cstdlib>

namespace pmem {

bool is_privileged() { return getauxval(AT_SECURE) != 0; }

const char* setting(const char* name) {
  if (is_privileged()) return nullptr;
  const char* value = getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

}  // namespace pmem
