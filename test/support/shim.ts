/** A library to preload into a child process. It makes msync fail on demand, and records its calls. */

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

/**
 * While the file named by SHIM_FAIL exists, msync fails with EIO. Each call is a line in the file named by SHIM_LOG: the
 * address (hexadecimal), the length and the flags.
 */
const SOURCE = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int msync(void* address, size_t length, int flags) {
  const char* log = getenv("SHIM_LOG");
  if (log != NULL) {
    char line[80];
    const int count = snprintf(line, sizeof(line), "%zx %zu %d\\n", (size_t)address, length, flags);
    const int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (write(fd, line, count) != count) abort();
    close(fd);
  }
  const char* fail = getenv("SHIM_FAIL");
  if (fail != NULL && access(fail, F_OK) == 0) {
    errno = EIO;
    return -1;
  }
  int (*real)(void*, size_t, int) = (int (*)(void*, size_t, int))dlsym(RTLD_NEXT, "msync");
  return real(address, length, flags);
}
`;

/** Compiles the library to the path. */
export function buildShim(path: string): void {
  writeFileSync(`${path}.c`, SOURCE);
  const { LD_PRELOAD, ...env } = process.env;
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', path, `${path}.c`, '-ldl'], { env, stdio: 'pipe' });
}
