// One mapped range of persistent memory, shared by every handle, Buffer and running job that uses it.
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
#include "system/file_identity.h"
#include "system/range_lock.h"

namespace pmem {

// What a store needs before it survives a power cut. The numbers are part of the interface with lib/binding.ts.
enum class Granularity : int {
  kByte = 0,       // nothing but a fence: the platform flushes CPU caches on power failure (eADR)
  kCacheLine = 1,  // write-back of its cache line, then a fence
  kPage = 2,       // msync of its page
  kNever = 3,      // nothing helps: the backing forgets everything at power-off
};

// Why a mapping can no longer be trusted; sticky until it is opened again. Numbers shared with lib/binding.ts.
enum class Damage : uint32_t {
  kNone = 0,
  kLostPage = 1,          // a page was gone (file truncated, disk full, media failed) when a Buffer touched it
  kReadOnlyViolated = 2,  // a Buffer of a read-only mapping was stored into; the store went to a private copy
  kSyncFailed = 3,   // msync failed: the kernel may have dropped the dirty pages and would report success next time
  kCorruptPage = 4,  // the hardware reported corrupt memory, outside of our own copies
  kTruncated = 5,    // bytes that were to be made durable are in no file any more
  kUnknownSize = 6,  // whether they are could not be asked: somebody closed the descriptor that the mapping keeps
};

// Bytes of a file or device.
struct Extent {
  off_t offset;   // a multiple of page_size
  size_t length;  // so is this, but for the last extent's
};

struct MapRequest {
  int fd;
  off_t offset;      // a multiple of page_size
  size_t length;     // bytes; with extents their sum
  size_t page_size;  // the unit in which the kernel maps and unmaps this backing
  size_t alignment;  // of the virtual address, relative to the offset; a power of two
  bool must_align;   // fail rather than accept a lesser alignment
  bool writable;
  bool try_sync;                // ask for MAP_SYNC and fall back to a plain shared mapping where the kernel refuses it
  bool populate;                // fault every page in now
  bool read_back;               // a fence is complete only once a load came back (posted writes of PCI)
  uintptr_t address;            // where to map, where nothing may be; 0: anywhere
  bool small_pages;             // no fault may bring in more than a page of the kernel's
  bool dont_dump;               // keep it out of core dumps
  bool no_reserve;              // set no huge pages aside: it is only looked at
  std::vector<Extent> extents;  // mapped back to back in one range of addresses; empty: the one at offset
};

class Mapping {
 public:
  // Returns 0 and a mapping with one reference, or the errno of the named system call.
  static int create(const MapRequest& request, Mapping** result, const char** syscall);

  // The same for memory that is mapped already, as the request says; unmaps it on failure.
  static int adopt(void* address, const MapRequest& request, Mapping** result, const char** syscall);

  // The open mapping with this identity, with a reference and a handle added; null once its last handle was closed.
  static Mapping* attach(uint64_t identity);

  // The mapping that the address lies in, with a reference added, or null.
  static Mapping* holding(const uint8_t* address);

  void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release();  // the last one takes the file away from the addresses

  // Holds the addresses alone. Detached memory cannot be reached from JavaScript any more, but what JavaScript started
  // with it may go on on other threads (fs.read, zlib): until nobody knows the addresses, nothing else may come to lie
  // there.
  void retain_place() { places_.fetch_add(1, std::memory_order_relaxed); }
  void release_place();

  // Gives back a handle, and the reference that it has.
  void close_handle() { leave(true); }

  // A job on another thread, which may store into these bytes until it ends; it has a reference.
  void begin_job(size_t offset, size_t length);
  void end_job(size_t offset, size_t length);

  // The lock on the file's ranges. It goes when nobody stores any more: with the last handle and the last job, and if
  // it is to be alone not before the memory, which can have been moved to where it is out of reach. The file is taken
  // away from the addresses first.
  void take_lock(HeldLock lock);

  uint8_t* base() const { return base_; }
  size_t length() const { return length_; }
  size_t page_size() const { return page_size_; }
  bool writable() const { return writable_; }
  bool synchronous() const { return synchronous_; }
  bool read_back() const { return read_back_; }
  size_t mapped() const { return mapped_; }                           // whole pages
  const FileIdentity& file() const { return file_; }                  // of anonymous memory one that no file has
  std::vector<ByteRange> ranges(size_t offset, size_t length) const;  // where these bytes are in the file
  uint64_t identity() const { return identity_; }

  // What holds for these addresses, whatever lies there: no child has them, and where it was asked for no core dump.
  // Returns 0 or an errno. Async-signal-safe.
  int advise(void* address, size_t size) const;

  Granularity granularity() const { return granularity_; }
  void set_granularity(Granularity value) { granularity_ = value; }

  // The first damage wins. Async-signal-safe.
  void mark_damaged(Damage kind, size_t offset);
  Damage damage() const { return damage_.load(std::memory_order_relaxed); }
  size_t damage_offset() const { return damage_offset_.load(std::memory_order_relaxed); }

  // How far the file must reach for these bytes to be in it; 0: there are none, or nothing can take them away.
  off_t end_in_file(size_t offset, size_t length) const {
    if (fd_.load(std::memory_order_relaxed) < 0 || length == 0) return 0;
    if (extents_.size() == 1) return extents_.front().offset + static_cast<off_t>(offset + length);
    return end_in_extents(offset, length);
  }

  // Whether the file still reaches so far; where it does not, the mapping is damaged. Truncating a file takes whole
  // pages away, which then fault. In the page that its new end lies in, stores past the end do not, and are in no file.
  // The kernel can be asked, for 190 ns, more than a small persist takes. But whatever truncation reaches a page
  // takes away all those after it: a load from the last one that is mapped answers for all before, and only for what
  // lies in the last one itself the kernel is asked.
  bool reaches(off_t end) {
    if (end == 0) return true;
    if (end <= last_page_ && !asks_always_.load(std::memory_order_relaxed) && pmem_can_load(in_last_page_)) return true;
    return reaches_now(end);
  }
  bool reaches_now(off_t end);  // asks the kernel

  // For the fault handler, so all of it is async-signal-safe. The pieces of private memory in it, and whose turn it is
  // to put another one there: false while it is another thread's.
  size_t pieces() const { return pieces_.load(std::memory_order_acquire); }
  void add_piece() { pieces_.fetch_add(1, std::memory_order_release); }
  bool begin_piece() { return !placing_.test_and_set(std::memory_order_acquire); }
  void end_piece() { placing_.clear(std::memory_order_release); }
  bool tells_first() { return !told_.exchange(true, std::memory_order_relaxed); }

  // The file was taken away: all of it is private memory.
  bool ended() const { return ended_.load(std::memory_order_acquire); }

  // Whether the file ends at the offset or before; and what is past its end, as far as the extent goes.
  bool past_end(size_t offset, size_t* begin, size_t* length) const;

  // There is private memory now, to keep the next time. In a thread whose turn it is.
  void note_tail(size_t begin, size_t length) {
    if (begin + length >= std::min(tail_, mapped_)) tail_ = std::min(tail_, begin);
  }

  // Page granularity: what flush announced and drain still has to msync, as one covering range. The mutex is held from
  // taking the range until it is durable: another thread's drain must not return before.
  // And how far the file must reach for all of it: there can be bytes in the covering range that nobody flushed.
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
  bool take_file_away();

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
  uint32_t users_ = 1;               // so are they: the handles and the jobs
  std::atomic<Damage> damage_{Damage::kNone};
  std::atomic<size_t> damage_offset_{0};
  std::atomic<size_t> pieces_{0};
  size_t tail_ = SIZE_MAX;  // from here on the file was gone before
  std::atomic_flag placing_ = ATOMIC_FLAG_INIT;
  std::atomic<bool> told_{false};
  std::atomic<bool> ended_{false};
  std::mutex drain_mutex_;
  std::mutex dirty_mutex_;
  size_t dirty_begin_ = SIZE_MAX;
  size_t dirty_end_ = 0;
  off_t dirty_end_in_file_ = 0;
  std::atomic<int> fd_{-1};  // of a file or block device that can lose bytes; -1: nothing can take these away
  off_t last_page_ = 0;      // in the file, of the last page of it that is mapped; 0: a load from there tells nothing
  const uint8_t* in_last_page_ = nullptr;
  std::atomic<bool> asks_always_{false};  // a load from there failed once
};

}  // namespace pmem

#endif  // PMEM_MAPPING_MAPPING_H_
