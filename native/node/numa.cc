#include "node/numa.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <vector>

#include "mapping/mapping.h"
#include "mapping/reservation.h"
#include "node/arguments.h"
#include "node/context.h"
#include "node/errors.h"
#include "node/handles.h"
#include "system/uninterrupted.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif

namespace pmem {

namespace {

// include/uapi/linux/mempolicy.h; libnuma's header is not on every machine.
constexpr int kPreferred = 1;
constexpr int kBind = 2;
constexpr unsigned kStrict = 1 << 0;
constexpr unsigned kMove = 1 << 1;

// As many as a kernel can be built for: CONFIG_NODES_SHIFT is 10 at most.
constexpr size_t kMostNodes = 1024;
constexpr size_t kWordBits = 8 * sizeof(unsigned long);

int set_policy(void* address, size_t length, int mode, size_t node, unsigned flags) {
  if (node >= kMostNodes) return EINVAL;
  unsigned long mask[kMostNodes / kWordBits] = {};
  mask[node / kWordBits] = 1ul << (node % kWordBits);
  // The kernel takes one bit less than it is told.
  return syscall(SYS_mbind, address, length, mode, mask, kMostNodes + 1, flags) == 0 ? 0 : errno;
}

// Gives every page memory now. Kernels before 5.14 have no call for it: there every page is stored into, which changes
// nothing, because new pages are zero.
int fault_in(void* address, size_t length, size_t page_size, bool huge) {
  if (uninterrupted([=] { return madvise(address, length, MADV_POPULATE_WRITE); }) == 0) return 0;
  // Not for huge pages: where they have run out, a store is SIGBUS.
  if (errno != EINVAL || huge) return errno == EFAULT ? ENOMEM : errno;
  volatile uint8_t* bytes = static_cast<uint8_t*>(address);
  for (size_t at = 0; at < length; at += page_size) bytes[at] = 0;
  return 0;
}

struct NodeRequest {
  size_t length;
  size_t page_size;
  size_t alignment;
  bool huge;
  int node;  // -1: there is only one
  bool populate;
  bool later;  // populateAsync and bindNode follow
};

void* map_anonymous(const NodeRequest& request, size_t mapped) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS;
  if (request.huge) flags |= MAP_HUGETLB | (__builtin_ctzl(request.page_size) << MAP_HUGE_SHIFT);
  const int protection = PROT_READ | PROT_WRITE;
  if (request.alignment <= request.page_size) return mmap(nullptr, mapped, protection, flags, -1, 0);
  // More than is needed; both ends are unmapped.
  const size_t span = mapped + request.alignment;
  if (span < mapped) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  uint8_t* found = static_cast<uint8_t*>(mmap(nullptr, span, protection, flags | MAP_NORESERVE, -1, 0));
  if (found == MAP_FAILED) return MAP_FAILED;
  const size_t before = -reinterpret_cast<uintptr_t>(found) & (request.alignment - 1);
  if (before != 0) munmap(found, before);
  munmap(found + before + mapped, span - mapped - before);
  // Without MAP_NORESERVE, so that a machine that counts its promises refuses now.
  uint8_t* place = found + before;
  void* placed = mmap(place, mapped, protection, flags | MAP_FIXED, -1, 0);
  const int error = errno;
  if (placed == MAP_FAILED) release(place, mapped, place, mapped);
  errno = error;
  return placed;
}

// Allows the node alone from now on. Pages elsewhere are moved there, or stay where they are.
int bind_there(void* address, size_t length, size_t node) {
  const int error = set_policy(address, length, kBind, node, kMove | kStrict);
  return error == EIO || error == ENOMEM ? set_policy(address, length, kBind, node, 0) : error;
}

// Populates with the node preferred, and binds to it afterwards: with nothing but a full node allowed, the kernel would
// kill the process. Pages that stay elsewhere are the caller's to find. Returns 0 or the errno of the named system
// call.
int place(void* address, size_t mapped, const NodeRequest& request, const char** syscall) {
  const size_t node = static_cast<size_t>(request.node);
  if (!request.populate || request.later) {
    *syscall = "mbind";
    return request.node < 0 ? 0 : set_policy(address, mapped, request.later ? kPreferred : kBind, node, 0);
  }
  if (request.node >= 0) {
    *syscall = "mbind";
    if (const int error = set_policy(address, mapped, kPreferred, node, 0)) return error;
  }
  *syscall = "madvise";
  if (const int error = fault_in(address, mapped, request.page_size, request.huge)) return error;
  if (request.node < 0) return 0;
  *syscall = "mbind";
  return bind_there(address, mapped, node);
}

// Counts the pages that are there: for kernels without nodes, and sandboxes that forbid move_pages.
int count_resident(uint8_t* begin, size_t pages, size_t bytes, std::map<int, size_t>* counts) {
  const size_t unit = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> resident(bytes / unit);
  for (size_t i = 0; i < pages; i++) {
    if (mincore(begin + i * bytes, bytes, resident.data()) != 0) return errno;
    (*counts)[(resident[0] & 1) != 0 ? 0 : -1]++;
  }
  return 0;
}

}  // namespace

Napi::Value map_node(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Options options(env, info[0]);
  NodeRequest request = {};
  request.length = options.size("length");
  request.page_size = options.size("pageSize");
  request.alignment = options.size("alignment");
  request.huge = options.flag("hugePages");
  request.node = static_cast<int>(options.number("node"));
  request.populate = options.flag("populate");
  request.later = options.flag("later");
  const size_t mapped = (request.length + request.page_size - 1) & ~(request.page_size - 1);
  const char* syscall = "mmap";
  void* address = mapped < request.length || mapped == 0 ? MAP_FAILED : map_anonymous(request, mapped);
  if (address == MAP_FAILED) {
    throw_errno(env, mapped < request.length || mapped == 0 ? EINVAL : errno, syscall);
    return env.Undefined();
  }
  MapRequest range = {};
  range.extents = {{0, request.length}};
  range.length = request.length;
  range.page_size = request.page_size;
  range.alignment = 1;
  range.writable = true;
  range.dont_dump = options.flag("dontDump");
  Mapping* mapping = nullptr;
  int error = place(address, mapped, request, &syscall);
  if (error != 0) {
    munmap(address, mapped);
  } else {
    error = Mapping::adopt(address, range, &mapping, &syscall);
  }
  if (error != 0) {
    throw_errno(env, error, syscall);
    return env.Undefined();
  }
  mapping->set_granularity(Granularity::kNever);
  return opened(env, mapping);
}

Napi::Value bind_node(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Mapping* mapping = context_of(env)->find(double_at(info, 0));
  const size_t offset = size_at(info, 1);
  const size_t length = size_at(info, 2);
  const size_t node = size_at(info, 3);
  const bool open = mapping != nullptr && offset <= mapping->length() && length <= mapping->length() - offset;
  const int error = open ? bind_there(mapping->base() + offset, length, node) : EINVAL;
  if (error != 0) throw_errno(env, error, "mbind");
  return env.Undefined();
}

Napi::Value pages_by_node(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Mapping* mapping = context_of(env)->find(double_at(info, 0));
  const size_t offset = size_at(info, 1);
  const size_t length = size_at(info, 2);
  const size_t bytes = mapping == nullptr ? 0 : mapping->page_size();
  if (mapping == nullptr || offset > mapping->length() || length > mapping->length() - offset) {
    throw_errno(env, EINVAL, "move_pages");
    return env.Undefined();
  }
  const bool by_kernel = flag_at(info, 3);
  const size_t first = offset / bytes;
  const size_t pages = length == 0 ? 0 : (offset + length - 1) / bytes - first + 1;
  uint8_t* begin = mapping->base() + first * bytes;
  std::map<int, size_t> counts;
  int error = 0;
  if (!by_kernel) error = count_resident(begin, pages, bytes, &counts);
  constexpr size_t kBatch = 4096;
  std::vector<void*> addresses(std::min(pages, kBatch));
  std::vector<int> status(addresses.size());
  for (size_t done = 0; by_kernel && error == 0 && done < pages; done += kBatch) {
    const size_t count = std::min(pages - done, kBatch);
    for (size_t i = 0; i < count; i++) addresses[i] = begin + (done + i) * bytes;
    if (syscall(SYS_move_pages, 0, count, addresses.data(), nullptr, status.data(), 0) != 0) {
      error = errno;
      break;
    }
    for (size_t i = 0; i < count; i++) {
      // -ENOENT: no page yet; -EFAULT: the page of zeroes that all share.
      counts[status[i] < 0 ? -1 : status[i]]++;
    }
  }
  if (error != 0) {
    throw_errno(env, error, by_kernel ? "move_pages" : "mincore");
    return env.Undefined();
  }
  Napi::Array result = Napi::Array::New(env);
  uint32_t at = 0;
  for (const auto& [node, count] : counts) {
    result.Set(at++, Napi::Number::New(env, node));
    result.Set(at++, Napi::Number::New(env, static_cast<double>(count)));
  }
  return result;
}

}  // namespace pmem
