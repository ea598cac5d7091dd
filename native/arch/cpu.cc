#include "arch/cpu.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "arch/features.h"
#include "system/environment.h"

namespace pmem {

namespace {

// Takes the first supported path, or the one that the environment asks for. False: that path is not supported.
bool choose(const Path (&paths)[kMostPaths], const char* wanted, size_t* chosen) {
  for (size_t i = 0; i < kMostPaths && paths[i].name != nullptr; i++) {
    if (!paths[i].supported) continue;
    if (wanted != nullptr && strcmp(wanted, paths[i].name) != 0) continue;
    *chosen = i;
    return true;
  }
  return false;
}

bool to_size(const char* text, size_t* size) {
  char* end;
  errno = 0;
  const unsigned long long value = strtoull(text, &end, 10);
  if (errno != 0 || *end != '\0' || *text < '0' || *text > '9') return false;
  *size = value;
  return true;
}

Cpu decide() {
  const Features found = detect_features();
  Cpu result = {};
  if (!choose(found.flush, setting("PMEM_FLUSH"), &result.flush)) result.refused = "PMEM_FLUSH";
  if (!choose(found.copy, setting("PMEM_COPY"), &result.copy)) result.refused = "PMEM_COPY";
  result.flush_name = found.flush[result.flush].name;
  result.copy_name = found.copy[result.copy].name;
  const char* crc32c = setting("PMEM_CRC32C");
  result.crc32c = found.crc32c && (crc32c == nullptr || strcmp(crc32c, "instruction") == 0);
  if (crc32c != nullptr && strcmp(crc32c, "table") != 0 && !result.crc32c) result.refused = "PMEM_CRC32C";
  result.cache_line = found.cache_line;
  result.nontemporal_threshold = found.nontemporal_threshold;
  const char* threshold = setting("PMEM_NONTEMPORAL_THRESHOLD");
  if (threshold != nullptr && !to_size(threshold, &result.nontemporal_threshold)) {
    result.refused = "PMEM_NONTEMPORAL_THRESHOLD";
  }
  return result;
}

}  // namespace

const Cpu& cpu() {
  static const Cpu decided = decide();
  return decided;
}

}  // namespace pmem
