// What one Node environment (the main thread, or a worker) shares with its JavaScript: the mailbox, open handles and
// locks.
#ifndef PMEM_NODE_CONTEXT_H_
#define PMEM_NODE_CONTEXT_H_

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "arch/arch.h"
#include "node/mailbox.h"
#include "store/durable.h"
#include "system/range_lock.h"

namespace pmem {

// A lock that JavaScript holds by an object. Released when the object is collected or its environment ends.
struct KeptLock {
  HeldLock lock;
  KeptLock* next = nullptr;
  KeptLock** link = nullptr;  // what points to this one in its environment's list; null: in no list
};

class Context {
 public:
  // Null when memory is short. Destroyed when the environment ends and the last keeper is collected.
  static Context* create(napi_env env);

  void retain() { references_++; }
  void release();

  // At the end of the environment: closes every handle, and releases every lock.
  void close_all();

  // Locks are listed here, too: a worker can be stopped at any moment between taking a lock and mapping with it, and no
  // finalizer runs for an object that could not be made.
  void keep(KeptLock* kept);
  static void forget(KeptLock* kept);  // twice is harmless

  double add(Mapping* mapping);   // takes over one reference and one handle; negative: no room
  Mapping* find(double handle) {  // null: closed
    const Entry* found = entry(handle);
    return found == nullptr ? nullptr : found->mapping;
  }
  Mapping* remove(double handle);  // the caller takes them over again

  // A job of this environment flushed so far in the file; the next drain here is to check that.
  void note_flushed(const Mapping* mapping, off_t end);

  double slot(Mailbox::Slot slot) const { return mailbox_[slot]; }
  const double* ranges() const { return mailbox_ + Mailbox::kRanges; }
  uint64_t word() const;
  void set_word(uint64_t value);
  // Halves of a slot: low is 0, high is 1.
  uint32_t half(Mailbox::Slot slot, size_t which) const;
  void set_begun() { mailbox_[Mailbox::kBegun] = 1; }
  void set_result(double value) { mailbox_[Mailbox::kResult] = value; }

  // The range named by offset and length, checked against the handle's mapping.
  int span(double offset, double length, Span* span) {
    const Entry* found = entry(mailbox_[Mailbox::kHandle]);
    if (found == nullptr) return kClosed;
    span->mapping = found->mapping;
    span->flushed_end = found->flushed_end;
    return range(offset, length, span);
  }

  // The same in the span's mapping.
  static int range(double offset, double length, Span* span) {
    if (!to_size(offset, &span->offset) || !to_size(length, &span->length)) return kRange;
    const size_t size = span->mapping->length();
    return span->offset <= size && span->length <= size - span->offset ? kOk : kRange;
  }

  // Where the bytes begin in an ArrayBuffer. False: it is no valid number.
  bool at(size_t* at) const { return to_size(slot(Mailbox::kAt), at); }

  // Puts the outcome of an operation into the mailbox.
  void report(int status, const Mapping* mapping, const Fault& fault) {
    mailbox_[Mailbox::kStatus] = status;
    if (status != kOk) report_details(status, mapping, fault);
  }

  napi_ref mailbox_reference() const { return mailbox_reference_; }

 private:
  struct Entry {
    Mapping* mapping;
    off_t* flushed_end;  // see Span; all handles on one mapping share it
    uint32_t generation;
  };

  struct Flushed {
    off_t end;
    uint32_t handles;
  };

  Context() = default;
  ~Context() = default;
  void report_details(int status, const Mapping* mapping, const Fault& fault);

  // Refuses NaN, negative, fractional and huge numbers: they do not survive the way to an integer and back.
  static bool to_size(double value, size_t* result) {
    const int64_t integer = truncate_to_int64(value);
    *result = static_cast<size_t>(integer);
    return integer >= 0 && static_cast<double>(integer) == value;
  }

  // A handle is a number: its place in the table, and above it the count of earlier uses of the place.
  static constexpr uint32_t kPlaceBits = 20;
  static constexpr uint32_t kMostPlaces = 1u << kPlaceBits;

  Entry* entry(double handle) {
    size_t number;
    if (!to_size(handle, &number)) return nullptr;
    const size_t place = number & (kMostPlaces - 1);
    if (place >= entries_.size()) return nullptr;
    Entry& found = entries_[place];
    return found.mapping != nullptr && found.generation == number >> kPlaceBits ? &found : nullptr;
  }

  uint32_t references_ = 1;  // touched on the JavaScript thread only
  double* mailbox_ = nullptr;
  napi_ref mailbox_reference_ = nullptr;
  std::vector<Entry> entries_;
  std::vector<uint32_t> free_;
  std::map<const Mapping*, Flushed> flushed_;
  KeptLock* locks_ = nullptr;
};

// Where a fault happened, as an offset in the mapping. -1: in the array that was copied from or to.
double offset_of(const Mapping* mapping, const Fault& fault);

}  // namespace pmem

#endif  // PMEM_NODE_CONTEXT_H_
