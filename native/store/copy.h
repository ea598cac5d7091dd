// Copies and fills of bytes in persistent memory. Nothing here knows of mappings or of JavaScript.
#ifndef PMEM_STORE_COPY_H_
#define PMEM_STORE_COPY_H_

#include <cstddef>
#include <cstdint>

#include "arch/kernels.h"

namespace pmem {

// Those for cpu(), chosen when the addon is loaded.
extern const Kernels kernels;

// Copies to ordinary memory. Ranges may overlap.
void copy_from_pmem(uint8_t* target, const uint8_t* source, size_t length);

// Copies and starts the write-back. Ranges may overlap. Durable after fence().
void copy_and_flush(uint8_t* target, const uint8_t* source, size_t length);

// Fills and starts the write-back. Durable after fence().
void fill_and_flush(uint8_t* target, uint8_t byte, size_t length);

// Whether the two above may leave stores of so many bytes unordered with later stores until a fence.
bool may_be_unordered(size_t length);

}  // namespace pmem

#endif  // PMEM_STORE_COPY_H_
