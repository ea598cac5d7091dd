// Blocks that a table names: read, and exchanged for others, in one call each.
#ifndef PMEM_STORE_BLOCKS_H_
#define PMEM_STORE_BLOCKS_H_

#include <cstdint>

#include "store/durable.h"

namespace pmem {

// An entry of 32 bits: less `tag` it is the number of a block, if that is below `blocks`. Any other is refused: kRange.
struct BlockEntry {
  Span word;  // 8 bytes, with the entry in them
  bool high;  // in the upper half
  uint32_t tag;
  uint32_t blocks;
};

// Loads the word, and the number in the entry.
int load_entry(const BlockEntry& entry, uint64_t* word, uint32_t* block, Fault* fault);

// What is told of an exchange, in two words: the entry's index and the block that it named, to which are left the upper
// half of the first; the new block, and anything.
struct Record {
  Span span;  // 16 bytes
  uint32_t index;
  uint32_t block;
  uint32_t sequence;
};

// Writes a block that nothing names yet, tells of the exchange, and lets the entry name it. Each of the three is
// durable before the next is begun; of the entry the write-back is started. `begun`: a word may have been stored.
// `before`: the block that was named.
int exchange(const BlockEntry& entry, const Span& data, const uint8_t* source, const Record& record, uint32_t* before,
             bool* begun, Fault* fault);

}  // namespace pmem

#endif  // PMEM_STORE_BLOCKS_H_
