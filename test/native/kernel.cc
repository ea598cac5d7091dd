// For tests only: the kernel asked directly, as a C program would, with none of the code that is tested in between.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "call.h"

#ifndef MADV_HWPOISON
#define MADV_HWPOISON 100
#endif

namespace {

int64_t faults_of_this_thread() {
  struct rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

// touch(buffer, stride, store) -> page faults that reading, or storing into, one byte in each `stride` bytes costs.
napi_value touch(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  size_t length = 0;
  volatile uint8_t* bytes = call.bytes(0, &length);
  const size_t stride = call.number(1);
  const bool store = call.number(2) != 0;
  faults_of_this_thread();  // its own page is there from now on
  const int64_t before = faults_of_this_thread();
  for (size_t at = 0; at < length; at += stride) {
    // Read first, a page would be mapped twice: for reading, and then for storing.
    if (store) {
      bytes[at] = 1;
    } else {
      static_cast<void>(bytes[at]);
    }
  }
  return call.result(static_cast<int64_t>(faults_of_this_thread() - before));
}

// map(path, flags, offset, length) -> errno of a plain mmap for reading and writing, which is undone; 0 when it works.
napi_value map(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const int fd = open(call.text(0).c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return call.result(static_cast<int64_t>(errno));
  const size_t length = call.number(3);
  void* place = mmap(nullptr, length, PROT_READ | PROT_WRITE, call.number(1), fd, call.number(2));
  const int error = place == MAP_FAILED ? errno : 0;
  if (error == 0) munmap(place, length);
  close(fd);
  return call.result(static_cast<int64_t>(error));
}

// attempt(fd, protection, flags, address, offset, length, expected?) -> errno of mmap(2) with just these; 0 when it
// maps and both ends can be read; the negative number of the signal that kills who reads them. 255 when the first word
// is not the expected one. In a child, which may die of it.
napi_value attempt(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  // All looked up before: JavaScript does not live on in the child.
  const int fd = call.number(0);
  const int64_t protection = call.number(1);
  const int64_t flags = call.number(2);
  const uint64_t address = call.word(3);
  const uint64_t offset = call.word(4);
  const uint64_t length = call.word(5);
  const bool compare = call.count > 6;
  const uint64_t expected = compare ? call.word(6) : 0;
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGBUS, SIG_DFL);
    signal(SIGSEGV, SIG_DFL);
    const long place = syscall(SYS_mmap, address, length, protection, flags, fd, offset);
    if (place == -1) _exit(errno);
    const volatile uint8_t* bytes = reinterpret_cast<uint8_t*>(place);
    if (compare && *reinterpret_cast<const volatile uint64_t*>(bytes) != expected) _exit(255);
    static_cast<void>(bytes[0]);
    static_cast<void>(bytes[length - 1]);
    _exit(0);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return call.result(static_cast<int64_t>(ECHILD));
  return call.result(static_cast<int64_t>(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status)));
}

// occupy(address, length) -> errno. Something is there from now on, also in children.
napi_value occupy(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  void* wanted = reinterpret_cast<void*>(call.word(0));
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  return call.result(static_cast<int64_t>(mmap(wanted, call.number(1), PROT_NONE, flags, -1, 0) == wanted ? 0 : errno));
}

// memfd(flags, size) -> a descriptor, or the negative errno.
napi_value memfd(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const int fd = static_cast<int>(syscall(SYS_memfd_create, "pmem-test", call.number(0)));
  if (fd < 0) return call.result(static_cast<int64_t>(-errno));
  if (ftruncate(fd, call.number(1)) == 0) return call.result(static_cast<int64_t>(fd));
  const int error = errno;
  close(fd);
  return call.result(static_cast<int64_t>(-error));
}

// seal(fd, seals) -> errno of fcntl(2), F_ADD_SEALS.
napi_value seal(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  return call.result(static_cast<int64_t>(fcntl(call.number(0), 1033, call.number(1)) == 0 ? 0 : errno));
}

// copyOut(path, offset, length, at, target) -> errno. Copies what a plain mapping has from `at` on; SIGBUS if it has
// nothing.
napi_value copy_out(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const int fd = open(call.text(0).c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return call.result(static_cast<int64_t>(errno));
  const size_t length = call.number(2);
  void* place = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, call.number(1));
  const int error = place == MAP_FAILED ? errno : 0;
  close(fd);
  if (error != 0) return call.result(static_cast<int64_t>(error));
  size_t wanted = 0;
  uint8_t* target = call.bytes(4, &wanted);
  memcpy(target, static_cast<uint8_t*>(place) + call.number(3), wanted);
  munmap(place, length);
  return call.result(static_cast<int64_t>(0));
}

// msync(buffer) -> errno. The buffer begins where its mapping does.
napi_value sync(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  size_t length = 0;
  uint8_t* bytes = call.bytes(0, &length);
  return call.result(static_cast<int64_t>(msync(bytes, length, MS_SYNC) == 0 ? 0 : errno));
}

// advise(buffer, advice) -> errno of madvise.
napi_value advise(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  size_t length = 0;
  uint8_t* bytes = call.bytes(0, &length);
  return call.result(static_cast<int64_t>(madvise(bytes, length, call.number(1)) == 0 ? 0 : errno));
}

// poison(buffer, offset) -> errno. The page there becomes what the hardware reports corrupt memory for.
napi_value poison(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  size_t length = 0;
  uint8_t* bytes = call.bytes(0, &length);
  const long page = sysconf(_SC_PAGESIZE);
  return call.result(static_cast<int64_t>(madvise(bytes + call.number(1), page, MADV_HWPOISON) == 0 ? 0 : errno));
}

// poisonFile(path, offset) -> errno. The same to a page of a plain mapping, which nobody handles signals for.
napi_value poison_file(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const int fd = open(call.text(0).c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return call.result(static_cast<int64_t>(errno));
  const size_t offset = call.number(1);
  const size_t length = 2 << 20;  // device-DAX wants its alignment, a file has no need of an end
  void* place = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (place == MAP_FAILED) return call.result(static_cast<int64_t>(errno));
  uint8_t* page = static_cast<uint8_t*>(place) + offset;
  *const_cast<volatile uint8_t*>(page) = 1;
  return call.result(static_cast<int64_t>(madvise(page, sysconf(_SC_PAGESIZE), MADV_HWPOISON) == 0 ? 0 : errno));
}

// inFork(buffer) -> errno that a child made by fork(2) gets when it hands the kernel the first byte: EFAULT without the
// memory.
napi_value in_fork(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  size_t length = 0;
  const uint8_t* bytes = call.bytes(0, &length);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return call.result(static_cast<int64_t>(errno));
  const pid_t child = fork();
  if (child == 0) _exit(write(ends[1], bytes, 1) == 1 ? 0 : errno);
  int status = 0;
  const bool ended = child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status);
  close(ends[0]);
  close(ends[1]);
  return call.result(static_cast<int64_t>(ended ? WEXITSTATUS(status) : ECHILD));
}

// fork() -> the id of a child that has every descriptor of this process, and does nothing with them; or the negative
// errno.
napi_value idle_fork(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }
  return call.result(static_cast<int64_t>(child < 0 ? -errno : child));
}

// reap(child) -> errno. Ends it.
napi_value reap(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const pid_t child = static_cast<pid_t>(call.number(0));
  int status = 0;
  const bool ended = child > 0 && kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child;
  return call.result(static_cast<int64_t>(ended ? 0 : errno));
}

napi_value init(napi_env env, napi_value exports) {
  return add_exports(env, exports,
                     {{"touch", touch},
                      {"map", map},
                      {"copyOut", copy_out},
                      {"msync", sync},
                      {"madvise", advise},
                      {"poison", poison},
                      {"poisonFile", poison_file},
                      {"inFork", in_fork},
                      {"fork", idle_fork},
                      {"reap", reap},
                      {"attempt", attempt},
                      {"occupy", occupy},
                      {"memfd", memfd},
                      {"seal", seal}});
}

}  // namespace

NAPI_MODULE(kernel, init)
