// One mapped range of memory, shared by every handle, Buffer and running job that uses it.
#ifndef PMEM_MAPPING_MAPPING_H_
#define PMEM_MAPPING_MAPPING_H_

#include <sys/types.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "arch/can_load.h"
#include "mapping/map_file.h"
#include "system/file_identity.h"
#include "system/range_lock.h"

namespace pmem {

// What a store needs to survive a power cut. lib/mailbox.ts has the same numbers.
enum class Granularity : int {
  kByte = 0,       // nothing but a fence: the platform flushes CPU caches on power failure (eADR)
  kCacheLine = 1,  // write-back of its cache line, then a fence
  kPage = 2,       // msync of its page
  kNever = 3,      // nothing helps: the backing loses everything at power-off
};

// Why a mapping can no longer be trusted. It stays so until it is opened again. lib/mailbox.ts has the same numbers.
enum class Damage : uint32_t {
  kNone = 0,
  kLostPage = 1,          // a page was gone (file truncated, disk full, media failed) when a Buffer touched it
  kReadOnlyViolated = 2,  // a Buffer of a read-only mapping was stored into; the store went to a private copy
  kSyncFailed = 3,   // msync failed: the kernel may have dropped the dirty pages and would report success next time
  kCorruptPage = 4,  // the hardware reported corrupt memory, outside of our own copies
  kTruncated = 5,    // the file does not contain bytes any more that were to be made durable
  kUnknownSize = 6,  // whether it does is unknown: somebody closed the descriptor that the mapping keeps
};

class Mapping {
 public:
  // Returns 0 and a mapping with one reference, or the errno of the named system call.
  static int create(const MapRequest& request, Mapping** result, const char** syscall);

  // The same for memory that is mapped already as the request says. Unmaps it on failure.
  static int adopt(void* address, const MapRequest& request, Mapping** result, const char** syscall);

  // The open mapping with this identity, with a reference and a handle added; null once its last handle was closed.
  static Mapping* attach(uint64_t identity);

  // The mapping that the address lies in, with a reference added, or null.
  static Mapping* holding(const uint8_t* address);

  void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release();  // the last one removes the file from the addresses

  // Holds the addresses alone. JavaScript cannot reach detached memory any more, but requests that it started may go on
  // on other threads (fs.read, zlib): until nobody knows the addresses, nothing else may be mapped there.
  void retain_place() { places_.fetch_add(1, std::memory_order_relaxed); }
  void release_place();

  // Ends a handle, and its reference.
  void close_handle() { leave(true); }

  // A job on another thread, which may store into these bytes until it ends. It has a reference.
  void begin_job(size_t offset, size_t length);
  void end_job(size_t offset, size_t length);

  // The lock on the file's ranges. It is released when nobody stores any more: with the last handle and the last job. A
  // lock of kind kAlone stays until the memory goes, too, which JavaScript can have transferred out of our reach. The
  // file is removed from the addresses first.
  void take_lock(HeldLock lock);

  uint8_t* base() const { return base_; }
  size_t length() const { return length_; }
  size_t page_size() const { return page_size_; }
  bool writable() const { return writable_; }
  bool synchronous() const { return synchronous_; }
  bool read_back() const { return read_back_; }
  size_t mapped() const { return mapped_; }                           // whole pages
  const FileIdentity& file() const { return file_; }                  // of anonymous memory: one that no file has
  std::vector<ByteRange> ranges(size_t offset, size_t length) const;  // where these bytes are in the file
  uint64_t identity() const { return identity_; }

  // To be called for whatever is mapped at these addresses: no child gets them, and no core dump where asked for.
  // Returns 0 or an errno. Async-signal-safe.
  int advise(void* address, size_t size) const;

  Granularity granularity() const { return granularity_; }
  void set_granularity(Granularity value) { granularity_ = value; }

  // The first damage wins. Async-signal-safe.
  void mark_damaged(Damage kind, size_t offset);
  Damage damage() const { return damage_.load(std::memory_order_relaxed); }
  size_t damage_offset() const { return damage_offset_.load(std::memory_order_relaxed); }

  // How far the file must reach to contain these bytes. 0: there are none, or the file cannot be truncated.
  off_t end_in_file(size_t offset, size_t length) const {
    if (fd_.load(std::memory_order_relaxed) < 0 || length == 0) return 0;
    if (extents_.size() == 1) return extents_.front().offset + static_cast<off_t>(offset + length);
    return end_in_extents(offset, length);
  }

  // Whether the file still reaches so far; where it does not, the mapping is damaged. Truncating a file removes whole
  // pages, which then fault. In the page with the new end nothing faults, and stores past the end are in no file.
  // Asking the kernel takes 190 ns, longer than a small persist. But a truncation that reaches a page removes all pages
  // after it: a load from the last mapped page answers for all pages before, and the kernel is asked for the last one
  // only.
  bool reaches(off_t end) {
    if (end == 0) return true;
    if (end <= last_page_ && !asks_always_.load(std::memory_order_relaxed) && pmem_can_load(in_last_page_)) return true;
    return reaches_now(end);
  }
  bool reaches_now(off_t end);  // asks the kernel

  // For the fault handler; all of these are async-signal-safe. How many ranges of private memory are in the mapping,
  // and the right to place another: false while another thread has it.
  size_t stand_ins() const { return stand_ins_.load(std::memory_order_acquire); }
  void add_stand_in() { stand_ins_.fetch_add(1, std::memory_order_release); }
  bool begin_placing() { return !placing_.test_and_set(std::memory_order_acquire); }
  void end_placing() { placing_.clear(std::memory_order_release); }
  bool tells_first() { return !told_.exchange(true, std::memory_order_relaxed); }

  // The file was removed: all of the mapping is private memory.
  bool ended() const { return ended_.load(std::memory_order_acquire); }

  // Whether the file ends at the offset or before. If so, the range past its end, as far as the extent goes.
  bool past_end(size_t offset, size_t* begin, size_t* length) const;

  // Private memory is there now, and is to stay. For the thread that has the right to place.
  void note_tail(size_t begin, size_t length) {
    if (begin + length >= std::min(tail_, mapped_)) tail_ = std::min(tail_, begin);
  }

  // Page granularity: what was flushed and not synced yet, as one covering range, and how far the file must reach for
  // it (the covering range may have bytes that nobody flushed). The mutex is held from taking the range until it is
  // durable: another thread's drain must not return before.
  void note_dirty(size_t offset, size_t length);
  bool take_dirty(size_t* offset, size_t* length, off_t* end);
  std::mutex& drain_mutex() { return drain_mutex_; }

 private:
  Mapping() = default;
  ~Mapping();
  void leave(bool handle);
  bool drop_reference();
  void end(HeldLock freed);
  void keep_file(int fd);
  void close_file();
  off_t end_in_extents(size_t offset, size_t length) const;
  bool remove_file();

  uint8_t* base_ = nullptr;
  size_t length_ = 0;
  size_t page_size_ = 0;
  size_t mapped_ = 0;
  bool writable_ = false;
  bool synchronous_ = false;
  bool read_back_ = false;
  bool dont_dump_ = false;
  FileIdentity file_;
  std::vector<Extent> extents_;
  Granularity granularity_ = Granularity::kPage;
  uint64_t identity_ = 0;
  HeldLock lock_;
  Mapping* next_ = nullptr;
  std::atomic<uint32_t> references_{1};
  std::atomic<uint32_t> places_{1};  // one for all references together
  uint32_t handles_ = 1;             // under the mutex of all mappings
  uint32_t users_ = 1;               // likewise: handles and jobs
  std::atomic<Damage> damage_{Damage::kNone};
  std::atomic<size_t> damage_offset_{0};
  std::atomic<size_t> stand_ins_{0};
  size_t tail_ = SIZE_MAX;  // from here on private memory took the file's place
  std::atomic_flag placing_ = ATOMIC_FLAG_INIT;
  std::atomic<bool> told_{false};
  std::atomic<bool> ended_{false};
  std::mutex drain_mutex_;
  std::mutex dirty_mutex_;
  size_t dirty_begin_ = SIZE_MAX;
  size_t dirty_end_ = 0;
  off_t dirty_end_in_file_ = 0;
  std::atomic<int> fd_{-1};  // of a file or block device that can be truncated; else -1
  off_t last_page_ = 0;      // offset in the file of its last mapped page; 0: a load from there tells nothing
  const uint8_t* in_last_page_ = nullptr;
  std::atomic<bool> asks_always_{false};  // a load from there failed once
};

}  // namespace pmem

#endif  // PMEM_MAPPING_MAPPING_H_
