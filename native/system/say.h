// Lines on stderr.
#ifndef PMEM_SYSTEM_SAY_H_
#define PMEM_SYSTEM_SAY_H_

#include <poll.h>
#include <unistd.h>

#include <climits>
#include <cstddef>

namespace pmem {

// Writes the line to stderr, or drops it. Never waits: the reader may have stopped, and O_NONBLOCK would be set for
// other users of the description, too. Async-signal-safe.
inline void say(const char* line, size_t length) {
  struct pollfd out = {STDERR_FILENO, POLLOUT, 0};
  if (length > PIPE_BUF || poll(&out, 1, 0) != 1 || out.revents != POLLOUT) return;
  // There is nowhere to report a failure.
  const ssize_t ignored = write(STDERR_FILENO, line, length);
  static_cast<void>(ignored);
}

}  // namespace pmem

#endif  // PMEM_SYSTEM_SAY_H_
