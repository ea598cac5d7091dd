// What one Node environment (the main thread, or a worker) shares with its JavaScript: the mailbox through which hot
// calls pass numbers, and the open handles.
#ifndef PMEM_CONTEXT_H_
#define PMEM_CONTEXT_H_

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "durable.h"

namespace pmem {

// The mailbox is a Float64Array; reading arguments from it costs a tenth of what Node-API takes to convert them.
// Slots are shared with lib/binding.ts. JavaScript fills the first four, the addon the others.
struct Mailbox {
  enum Slot : size_t {
    kHandle = 0,
    kOffset = 1,
    kLength = 2,
    kExtra = 3,        // byte to fill with, completion, count of ranges, CRC so far
    kStatus = 4,       // Status, or a positive errno
    kFaultSignal = 5,  // after kFault
    kFaultOffset = 6,  // after kFault and kDamaged: offset in the mapping
    kResult = 7,
    kWord = 8,    // the same eight bytes as an unsigned 64-bit integer
    kRanges = 9,  // pairs of offset and length
  };
  static constexpr size_t kMostRanges = 256;
  static constexpr size_t kSlots = kRanges + 2 * kMostRanges;
};

class Context {
 public:
  // Null when memory is short. Destroyed when the environment ends and the last keeper is collected.
  static Context* create(napi_env env);

  void retain() { references_++; }
  void release();

  // Environment teardown: gives every open handle back.
  void close_all();

  double add(Mapping* mapping);    // takes over one reference and one handle
  Mapping* find(double handle);    // null: closed
  Mapping* remove(double handle);  // the caller takes them over again
  double slot(Mailbox::Slot slot) const { return mailbox_[slot]; }
  const double* ranges() const { return mailbox_ + Mailbox::kRanges; }
  // The Uint8Array that read or write was last given; JavaScript vouches that it is still the same.
  uint8_t* known_bytes() const { return known_bytes_; }
  void set_known_bytes(uint8_t* bytes) { known_bytes_ = bytes; }
  uint64_t word() const;
  void set_word(uint64_t value);
  void set_result(double value) { mailbox_[Mailbox::kResult] = value; }

  // The range named by offset and length, checked against the handle's mapping.
  int span(double offset, double length, Span* span);

  // Leaves the outcome of an operation for JavaScript.
  void report(int status, const Mapping* mapping, const Fault& fault);

  napi_ref mailbox_reference() const { return mailbox_reference_; }

 private:
  struct Entry {
    Mapping* mapping;
    uint32_t generation;
  };

  Context() = default;
  ~Context() = default;
  Entry* entry(double handle);

  uint32_t references_ = 1;  // touched on the JavaScript thread only
  double* mailbox_ = nullptr;
  uint8_t* known_bytes_ = nullptr;
  napi_ref mailbox_reference_ = nullptr;
  std::vector<Entry> entries_;
  std::vector<uint32_t> free_;
};

// Where a fault happened, as an offset in the mapping.
size_t offset_of(const Mapping* mapping, const Fault& fault);

}  // namespace pmem

#endif  // PMEM_CONTEXT_H_
