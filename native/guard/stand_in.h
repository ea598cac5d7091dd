// Private memory in the place of what a Buffer cannot have: pages that are gone, and pages that may not be stored into.
//
// The kernel allows a process some 65,530 mappings (vm.max_map_count), and each piece of private memory inside of a
// mapping can make two more. So pieces grow:
//
//   pages past the end of the file   all of them at once: nothing of the file is there
//   others, while there are few      the page alone
//   others, beyond 2048 pieces       blocks of a 4096th of the mapping, twice that beyond 4096 pieces, and so on,
//                                    with a copy of what the pages hold
//
// One mapping that is taken to pieces as badly as can be comes to 3 * 2048 of them; each doubling of the number of such
// mappings adds 2048. Stores into a block do not reach the file any more, also into its sound pages: the mapping is
// marked damaged before, so that nobody takes them for durable.
#ifndef PMEM_GUARD_STAND_IN_H_
#define PMEM_GUARD_STAND_IN_H_

#include <cstddef>

namespace pmem {

class Mapping;

// Sets mappings aside for when others have used up what the kernel allows.
void reserve_mappings();

// In a handler, at this offset in the mapping. False: there is no memory for it. `context` is the signal's.
bool replace_lost(Mapping* mapping, size_t offset, bool is_corrupt, const void* context);
bool replace_read_only(Mapping* mapping, size_t offset, const void* context);

// A mapping with so many pieces ends.
void forget_pieces(size_t count);

}  // namespace pmem

#endif  // PMEM_GUARD_STAND_IN_H_
