// The slots of the mailbox. lib/mailbox.ts has the same, and says what each holds.
#ifndef PMEM_NODE_MAILBOX_H_
#define PMEM_NODE_MAILBOX_H_

#include <cstddef>

namespace pmem {

struct Mailbox {
  enum Slot : size_t {
    kHandle = 0,
    kOffset = 1,
    kLength = 2,
    kExtra = 3,
    kStatus = 4,
    kFaultSignal = 5,
    kFaultOffset = 6,
    kResult = 7,
    kWord = 8,
    kRanges = 9,
    // In place of ranges:
    kEntry = 9,
    kTag = 10,
    kStride = 11,
    kRecord = 12,
    kIndex = 13,
    kBlock = 14,
    kBegun = 15,
    kAt = 16,
  };
  static constexpr size_t kMostRanges = 256;
  static constexpr size_t kSlots = kRanges + 2 * kMostRanges;
};

}  // namespace pmem

#endif  // PMEM_NODE_MAILBOX_H_
