// Stand-ins: ranges of private memory that replace pages which a Buffer touched and cannot have, because they are gone
// or may not be stored into.
//
// The kernel allows a process some 65,530 mappings (vm.max_map_count), and each stand-in can add two. So stand-ins
// grow:
//
//   past the end of the file    all pages at once: nothing of the file is there
//   others, up to 2048 in all   the page alone
//   others, beyond that         blocks of a 4096th of the mapping, twice that beyond 4096, and so on, with a copy of
//   what
//                               their pages hold
//
// At worst one mapping has 3 * 2048 stand-ins, and each doubling of the number of such mappings adds 2048. Stores into
// a block do not reach the file any more, not even into its sound pages. The mapping is marked damaged before, so
// nobody takes them for durable.
#ifndef PMEM_GUARD_STAND_IN_H_
#define PMEM_GUARD_STAND_IN_H_

#include <cstddef>

namespace pmem {

class Mapping;

// Sets some mappings aside for the time when the process has used up what the kernel allows.
void reserve_mappings();

// In a handler: a stand-in at this offset in the mapping. False: the kernel has no memory or no mapping for it.
bool replace_lost(Mapping* mapping, size_t offset, bool is_corrupt, const void* context);
bool replace_read_only(Mapping* mapping, size_t offset, const void* context);

// A mapping with so many stand-ins ends.
void forget_stand_ins(size_t count);

}  // namespace pmem

#endif  // PMEM_GUARD_STAND_IN_H_
