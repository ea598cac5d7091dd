// CRC32C (Castagnoli, RFC 3720 section 12.1, polynomial 0x1EDC6F41 reflected), as ext4, BTRFS and iSCSI use it.
#ifndef PMEM_STORE_CRC32C_H_
#define PMEM_STORE_CRC32C_H_

#include <cstddef>
#include <cstdint>

namespace pmem {

// Continues the CRC of earlier bytes (0 for none) over these. "123456789" gives 0xE3069283.
uint32_t crc32c(uint32_t crc, const uint8_t* bytes, size_t length);

}  // namespace pmem

#endif  // PMEM_STORE_CRC32C_H_
