#include "store/crc32c.h"

#include <cstring>

#include "arch/arch.h"
#include "arch/cpu.h"

namespace pmem {

namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // reflected

// The instruction takes three cycles and a new one can start in each. So three streams run side by side, each over one
// of three neighbouring blocks, and their remainders are joined afterwards. Long blocks amortise the join.
constexpr size_t kLongBlock = 8192;
constexpr size_t kShortBlock = 256;

// Polynomials of degree below 32 over GF(2), bit 31 being x^0. Both functions work modulo kPolynomial.
constexpr uint32_t times_x(uint32_t a) { return (a >> 1) ^ ((a & 1) ? kPolynomial : 0); }

constexpr uint32_t multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = 1u << 31; bit != 0; bit >>= 1) {
    if (a & bit) product ^= b;
    b = times_x(b);
  }
  return product;
}

constexpr uint32_t power_of_x(size_t exponent) {
  uint32_t result = 1u << 31;
  uint32_t base = 1u << 30;
  for (; exponent != 0; exponent >>= 1) {
    if (exponent & 1) result = multiply(result, base);
    base = multiply(base, base);
  }
  return result;
}

// What a remainder becomes after `length` zero bytes: a multiplication by x^(8 length), a table for each of its bytes.
struct ZeroBytes {
  uint32_t table[4][256];

  constexpr explicit ZeroBytes(size_t length) : table() {
    const uint32_t factor = power_of_x(8 * length);
    for (uint32_t byte = 0; byte < 4; byte++) {
      for (uint32_t value = 0; value < 256; value++) table[byte][value] = multiply(factor, value << (8 * byte));
    }
  }

  uint32_t after(uint32_t crc) const {
    return table[0][crc & 0xff] ^ table[1][(crc >> 8) & 0xff] ^ table[2][(crc >> 16) & 0xff] ^ table[3][crc >> 24];
  }
};

inline uint64_t word_at(const uint8_t* bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof(word));
  return word;
}

PMEM_CRC32C_TARGET uint32_t three_blocks(uint32_t crc, const uint8_t* bytes, size_t block, const ZeroBytes& shift) {
  uint32_t first = crc;
  uint32_t second = 0;
  uint32_t third = 0;
  for (size_t i = 0; i < block; i += 8) {
    first = crc32c_word(first, word_at(bytes + i));
    second = crc32c_word(second, word_at(bytes + block + i));
    third = crc32c_word(third, word_at(bytes + 2 * block + i));
  }
  return shift.after(shift.after(first) ^ second) ^ third;
}

PMEM_CRC32C_TARGET uint32_t by_instruction(uint32_t crc, const uint8_t* bytes, size_t length) {
  static const ZeroBytes long_shift(kLongBlock);
  static const ZeroBytes short_shift(kShortBlock);
  for (; length > 0 && (reinterpret_cast<uintptr_t>(bytes) & 7) != 0; length--) crc = crc32c_byte(crc, *bytes++);
  for (; length >= 3 * kLongBlock; length -= 3 * kLongBlock, bytes += 3 * kLongBlock) {
    crc = three_blocks(crc, bytes, kLongBlock, long_shift);
  }
  for (; length >= 3 * kShortBlock; length -= 3 * kShortBlock, bytes += 3 * kShortBlock) {
    crc = three_blocks(crc, bytes, kShortBlock, short_shift);
  }
  for (; length >= 8; length -= 8, bytes += 8) crc = crc32c_word(crc, word_at(bytes));
  for (; length > 0; length--) crc = crc32c_byte(crc, *bytes++);
  return crc;
}

// For CPUs without the instruction: eight tables, eight bytes a step.
struct Tables {
  uint32_t table[8][256];

  Tables() {
    for (uint32_t value = 0; value < 256; value++) {
      uint32_t crc = value;
      for (int bit = 0; bit < 8; bit++) crc = times_x(crc);
      table[0][value] = crc;
    }
    for (int row = 1; row < 8; row++) {
      for (uint32_t value = 0; value < 256; value++) {
        const uint32_t before = table[row - 1][value];
        table[row][value] = (before >> 8) ^ table[0][before & 0xff];
      }
    }
  }
};

uint32_t by_table(uint32_t crc, const uint8_t* bytes, size_t length) {
  static const Tables tables;
  const auto& t = tables.table;
  for (; length >= 8; length -= 8, bytes += 8) {
    const uint64_t word = word_at(bytes) ^ crc;
    crc = 0;
    for (int i = 0; i < 8; i++) crc ^= t[7 - i][(word >> (8 * i)) & 0xff];
  }
  for (; length > 0; length--) crc = (crc >> 8) ^ t[0][(crc ^ *bytes++) & 0xff];
  return crc;
}

}  // namespace

uint32_t crc32c(uint32_t crc, const uint8_t* bytes, size_t length) {
  return ~(cpu().crc32c ? by_instruction(~crc, bytes, length) : by_table(~crc, bytes, length));
}

}  // namespace pmem
