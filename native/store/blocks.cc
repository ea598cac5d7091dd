#include "store/blocks.h"

namespace pmem {

namespace {

uint64_t joined(uint32_t low, uint32_t high) { return static_cast<uint64_t>(high) << 32 | low; }

}  // namespace

int load_entry(const BlockEntry& entry, uint64_t* word, uint32_t* block, Fault* fault) {
  if (const int failed = load64(entry.word, word, fault)) return failed;
  *block = static_cast<uint32_t>(entry.high ? *word >> 32 : *word) - entry.tag;  // without the tag: a large number
  return *block < entry.blocks ? kOk : kRange;
}

int exchange(const BlockEntry& entry, const Span& data, const uint8_t* source, const Record& record, uint32_t* before,
             bool* begun, Fault* fault) {
  Mapping* const mapping = record.span.mapping;
  off_t* const flushed_end = record.span.flushed_end;
  const Span first = {mapping, record.span.offset, sizeof(uint64_t), flushed_end};
  const Span second = {mapping, record.span.offset + sizeof(uint64_t), sizeof(uint64_t), flushed_end};
  if (first.offset % sizeof(uint64_t) != 0 || record.block >= entry.blocks) return kRange;
  uint64_t word = 0;
  if (const int failed = load_entry(entry, &word, before, fault)) return failed;
  if (const int failed = write(data, source, Completion::kPersist, fault)) return failed;
  *begun = true;
  if (const int failed = store64(first, joined(record.index, *before), fault)) return failed;
  if (const int failed = store64(second, joined(record.block, record.sequence), fault)) return failed;
  if (const int failed = persist(record.span, fault)) return failed;
  const uint32_t named = entry.tag + record.block;
  const uint32_t low = static_cast<uint32_t>(word);
  const uint32_t high = static_cast<uint32_t>(word >> 32);
  word = entry.high ? joined(low, named) : joined(named, high);
  if (const int failed = store64(entry.word, word, fault)) return failed;
  return flush(entry.word);
}

}  // namespace pmem
