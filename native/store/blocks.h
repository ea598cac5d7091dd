// Blocks that the entries of a table name.
#ifndef PMEM_STORE_BLOCKS_H_
#define PMEM_STORE_BLOCKS_H_

#include <cstdint>

#include "store/durable.h"

namespace pmem {

// An entry of 32 bits. Minus `tag` it is the number of a block, which is below `blocks`; else the calls return kRange.
struct BlockEntry {
  Span word;  // the 8 bytes that contain the entry
  bool high;  // in the upper half
  uint32_t tag;
  uint32_t blocks;
};

// Loads the word, and the number of the block that the entry names.
int load_entry(const BlockEntry& entry, uint64_t* word, uint32_t* block, Fault* fault);

// The record of an exchange, in two words: the entry's index and the block that it named; the new block and a sequence
// number.
struct Record {
  Span span;  // 16 bytes
  uint32_t index;
  uint32_t block;
  uint32_t sequence;
};

// Writes a block that no entry names, records the exchange, and stores the new number into the entry. Block and record
// are durable before the next step begins; of the entry only the write-back is started. `begun`: a word may have been
// stored. `before`: the block that the entry named.
int exchange(const BlockEntry& entry, const Span& data, const uint8_t* source, const Record& record, uint32_t* before,
             bool* begun, Fault* fault);

}  // namespace pmem

#endif  // PMEM_STORE_BLOCKS_H_
