/** A library that is loaded before all others into a child process: a kernel that interrupts, refuses, and writes down what is opened. */

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

/**
 * SHIM_OPENS: each open of anything that is not only looked at (O_PATH) is a line in that file: the path without links.
 * SHIM_LARGEST: fallocate of more bytes is EINTR, and does nothing, as on a tmpfs before Linux 6.9 under a profiler. After 10,000
 * calls it is EIO: who asks in vain is to fail, and not to go on.
 * SHIM_STORM: fallocate, msync, madvise and fcntl of a lock are EINTR unless signals are held.
 * SHIM_REFUSE: any of `tmpfile`, `fallocate` (EOPNOTSUPP), `rename` (renameat2 is EINVAL), `link` (link is EPERM).
 * SHIM_TIMER: a signal each so many microseconds, with a handler that does nothing.
 */
const SOURCE = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

static int refuses(const char* what) {
  const char* all = getenv("SHIM_REFUSE");
  return all != NULL && strstr(all, what) != NULL;
}

/* Whether a signal would come through now, of a storm in which one always does. */
static int storms(void) {
  if (getenv("SHIM_STORM") == NULL) return 0;
  sigset_t held;
  sigprocmask(SIG_SETMASK, NULL, &held);
  return !(sigismember(&held, SIGALRM) && sigismember(&held, SIGPROF) && !sigismember(&held, SIGBUS));
}

static void note(const char* path, int flags) {
  const char* log = getenv("SHIM_OPENS");
  if (log == NULL || (flags & O_PATH) != 0) return;
  char real[PATH_MAX + 1];
  if (realpath(path, real) == NULL) return;
  strcat(real, "\\n");
  const int fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (write(fd, real, strlen(real)) < 0) abort();
  close(fd);
}

static int opened(const char* path, int flags, mode_t mode) {
  if ((flags & O_TMPFILE) == O_TMPFILE && refuses("tmpfile")) {
    errno = EOPNOTSUPP;
    return -1;
  }
  note(path, flags);
  return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

#define OPEN(name)                                    \\
  int name(const char* path, int flags, ...) {        \\
    va_list rest;                                     \\
    va_start(rest, flags);                            \\
    const mode_t mode = va_arg(rest, int);            \\
    va_end(rest);                                     \\
    return opened(path, flags, mode);                 \\
  }
OPEN(open)
OPEN(open64)

static int allocated(int fd, int mode, off_t offset, off_t length) {
  static int calls = 0;
  if (refuses("fallocate")) {
    errno = EOPNOTSUPP;
    return -1;
  }
  const char* largest = getenv("SHIM_LARGEST");
  if ((largest != NULL && length > atoll(largest)) || storms()) {
    errno = ++calls < 10000 ? EINTR : EIO;
    return -1;
  }
  return syscall(SYS_fallocate, fd, mode, offset, length);
}
int fallocate(int fd, int mode, off_t offset, off_t length) { return allocated(fd, mode, offset, length); }
int fallocate64(int fd, int mode, off_t offset, off_t length) { return allocated(fd, mode, offset, length); }

int msync(void* address, size_t length, int flags) {
  if (storms()) {
    errno = EINTR;
    return -1;
  }
  return syscall(SYS_msync, address, length, flags);
}

int madvise(void* address, size_t length, int advice) {
  static int calls = 0;
  if ((advice == 22 || advice == 23) && storms()) {
    errno = ++calls < 10000 ? EINTR : EIO;
    return -1;
  }
  return syscall(SYS_madvise, address, length, advice);
}

static int controlled(int fd, int command, void* argument) {
  static int calls = 0;
  if ((command == 36 || command == 37) && storms()) {
    errno = ++calls < 10000 ? EINTR : EIO;
    return -1;
  }
  return syscall(SYS_fcntl, fd, command, argument);
}
#define CONTROL(name)                          \\
  int name(int fd, int command, ...) {         \\
    va_list rest;                              \\
    va_start(rest, command);                   \\
    void* argument = va_arg(rest, void*);      \\
    va_end(rest);                              \\
    return controlled(fd, command, argument);  \\
  }
CONTROL(fcntl)
CONTROL(fcntl64)

int link(const char* from, const char* to) {
  if (refuses("link")) {
    errno = EPERM;
    return -1;
  }
  return syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

long syscall(long number, ...) {
  static long (*real)(long, ...) = NULL;
  if (real == NULL) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  va_list rest;
  va_start(rest, number);
  long a[6];
  for (int i = 0; i < 6; i++) a[i] = va_arg(rest, long);
  va_end(rest);
  if (number == SYS_renameat2 && refuses("rename")) {
    errno = EINVAL;
    return -1;
  }
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void ignore(int signal) { (void)signal; }

__attribute__((constructor)) static void start(void) {
  const char* timer = getenv("SHIM_TIMER");
  if (timer == NULL) return;
  struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  const struct itimerval every = {{0, atol(timer)}, {0, atol(timer)}};
  setitimer(ITIMER_REAL, &every, NULL);
}
`;

/** Compiles the library to the path. */
export function buildRefusingShim(path: string): void {
  writeFileSync(`${path}.c`, SOURCE);
  const { LD_PRELOAD, ...env } = process.env;
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', path, `${path}.c`, '-ldl'], { env, stdio: 'pipe' });
}

/** What was opened, and not only looked at. */
export function opensIn(log: string): string[] {
  return readFileSync(log, 'utf8').split('\n').filter(Boolean);
}
