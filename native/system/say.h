// A line on stderr, or nothing.
#ifndef PMEM_SYSTEM_SAY_H_
#define PMEM_SYSTEM_SAY_H_

#include <poll.h>
#include <unistd.h>

#include <climits>
#include <cstddef>

namespace pmem {

// Never waits: who reads it may have stopped, and the descriptor's flags are others' as well. Async-signal-safe.
inline void say(const char* line, size_t length) {
  struct pollfd out = {STDERR_FILENO, POLLOUT, 0};
  if (length > PIPE_BUF || poll(&out, 1, 0) != 1 || out.revents != POLLOUT) return;
  // There is nobody to tell of a failure.
  const ssize_t ignored = write(STDERR_FILENO, line, length);
  static_cast<void>(ignored);
}

}  // namespace pmem

#endif  // PMEM_SYSTEM_SAY_H_
