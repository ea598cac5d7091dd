// x86-64: Intel SDM volume 1, 10.4.6 (non-temporal stores, SFENCE); volume 2, CLWB, CLFLUSHOPT, CLFLUSH.
// Non-temporal stores, CLWB and CLFLUSHOPT are weakly ordered: only SFENCE makes them complete in order.
#include "arch/kernels.h"

#include <immintrin.h>

#include <cstring>

namespace pmem {

namespace {

constexpr size_t kLine = 64;

inline uintptr_t line_of(const uint8_t* address) { return reinterpret_cast<uintptr_t>(address) & ~(kLine - 1); }

__attribute__((target("clwb"))) void flush_clwb(const uint8_t* begin, size_t length) {
  const uintptr_t end = reinterpret_cast<uintptr_t>(begin) + length;
  for (uintptr_t line = line_of(begin); line < end; line += kLine) _mm_clwb(reinterpret_cast<void*>(line));
}

__attribute__((target("clflushopt"))) void flush_clflushopt(const uint8_t* begin, size_t length) {
  const uintptr_t end = reinterpret_cast<uintptr_t>(begin) + length;
  for (uintptr_t line = line_of(begin); line < end; line += kLine) _mm_clflushopt(reinterpret_cast<void*>(line));
}

void flush_clflush(const uint8_t* begin, size_t length) {
  const uintptr_t end = reinterpret_cast<uintptr_t>(begin) + length;
  for (uintptr_t line = line_of(begin); line < end; line += kLine) _mm_clflush(reinterpret_cast<const void*>(line));
}

// One cache line: from any address to an aligned line, past the cache.
inline void copy_line_sse2(uint8_t* target, const uint8_t* source) {
  const __m128i* from = reinterpret_cast<const __m128i*>(source);
  __m128i* to = reinterpret_cast<__m128i*>(target);
  const __m128i a = _mm_loadu_si128(from);
  const __m128i b = _mm_loadu_si128(from + 1);
  const __m128i c = _mm_loadu_si128(from + 2);
  const __m128i d = _mm_loadu_si128(from + 3);
  _mm_stream_si128(to, a);
  _mm_stream_si128(to + 1, b);
  _mm_stream_si128(to + 2, c);
  _mm_stream_si128(to + 3, d);
}

__attribute__((target("avx"), always_inline)) inline void copy_line_avx(uint8_t* target, const uint8_t* source) {
  const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source));
  const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source + 32));
  _mm256_stream_si256(reinterpret_cast<__m256i*>(target), a);
  _mm256_stream_si256(reinterpret_cast<__m256i*>(target + 32), b);
}

// The head up to the first line boundary and the tail after the last are stored through the cache and flushed.
struct Split {
  size_t head;
  size_t lines;
  size_t tail;
};

inline Split split(const uint8_t* target, size_t length) {
  size_t head = (kLine - (reinterpret_cast<uintptr_t>(target) & (kLine - 1))) & (kLine - 1);
  if (head > length) head = length;
  const size_t rest = length - head;
  return {head, rest / kLine, rest % kLine};
}

template <void (*Flush)(const uint8_t*, size_t)>
inline void copy_part(uint8_t* target, const uint8_t* source, size_t length) {
  if (length == 0) return;
  memcpy(target, source, length);
  Flush(target, length);
}

template <void (*Flush)(const uint8_t*, size_t)>
inline void fill_part(uint8_t* target, uint8_t byte, size_t length) {
  if (length == 0) return;
  memset(target, byte, length);
  Flush(target, length);
}

template <void (*Flush)(const uint8_t*, size_t)>
__attribute__((target("avx512f"))) void copy_avx512(uint8_t* target, const uint8_t* source, size_t length) {
  const Split parts = split(target, length);
  copy_part<Flush>(target, source, parts.head);
  target += parts.head;
  source += parts.head;
  size_t lines = parts.lines;
  for (; lines >= 8; lines -= 8, target += 8 * kLine, source += 8 * kLine) {
    const __m512i a = _mm512_loadu_si512(source);
    const __m512i b = _mm512_loadu_si512(source + kLine);
    const __m512i c = _mm512_loadu_si512(source + 2 * kLine);
    const __m512i d = _mm512_loadu_si512(source + 3 * kLine);
    const __m512i e = _mm512_loadu_si512(source + 4 * kLine);
    const __m512i f = _mm512_loadu_si512(source + 5 * kLine);
    const __m512i g = _mm512_loadu_si512(source + 6 * kLine);
    const __m512i h = _mm512_loadu_si512(source + 7 * kLine);
    _mm512_stream_si512(reinterpret_cast<__m512i*>(target), a);
    _mm512_stream_si512(reinterpret_cast<__m512i*>(target + kLine), b);
    _mm512_stream_si512(reinterpret_cast<__m512i*>(target + 2 * kLine), c);
    _mm512_stream_si512(reinterpret_cast<__m512i*>(target + 3 * kLine), d);
    _mm512_stream_si512(reinterpret_cast<__m512i*>(target + 4 * kLine), e);
    _mm512_stream_si512(reinterpret_cast<__m512i*>(target + 5 * kLine), f);
    _mm512_stream_si512(reinterpret_cast<__m512i*>(target + 6 * kLine), g);
    _mm512_stream_si512(reinterpret_cast<__m512i*>(target + 7 * kLine), h);
  }
  for (; lines > 0; lines--, target += kLine, source += kLine) {
    _mm512_stream_si512(reinterpret_cast<__m512i*>(target), _mm512_loadu_si512(source));
  }
  copy_part<Flush>(target, source, parts.tail);
}

template <void (*Flush)(const uint8_t*, size_t)>
__attribute__((target("avx"))) void copy_avx(uint8_t* target, const uint8_t* source, size_t length) {
  const Split parts = split(target, length);
  copy_part<Flush>(target, source, parts.head);
  target += parts.head;
  source += parts.head;
  for (size_t lines = parts.lines; lines > 0; lines--, target += kLine, source += kLine) copy_line_avx(target, source);
  _mm256_zeroupper();
  copy_part<Flush>(target, source, parts.tail);
}

template <void (*Flush)(const uint8_t*, size_t)>
void copy_sse2(uint8_t* target, const uint8_t* source, size_t length) {
  const Split parts = split(target, length);
  copy_part<Flush>(target, source, parts.head);
  target += parts.head;
  source += parts.head;
  for (size_t lines = parts.lines; lines > 0; lines--, target += kLine, source += kLine) copy_line_sse2(target, source);
  copy_part<Flush>(target, source, parts.tail);
}

template <void (*Flush)(const uint8_t*, size_t)>
void copy_generic(uint8_t* target, const uint8_t* source, size_t length) {
  copy_part<Flush>(target, source, length);
}

template <void (*Flush)(const uint8_t*, size_t)>
__attribute__((target("avx512f"))) void fill_avx512(uint8_t* target, uint8_t byte, size_t length) {
  const Split parts = split(target, length);
  fill_part<Flush>(target, byte, parts.head);
  target += parts.head;
  const __m512i pattern = _mm512_set1_epi32(static_cast<int>(0x01010101u * byte));
  for (size_t lines = parts.lines; lines > 0; lines--, target += kLine) {
    _mm512_stream_si512(reinterpret_cast<__m512i*>(target), pattern);
  }
  fill_part<Flush>(target, byte, parts.tail);
}

template <void (*Flush)(const uint8_t*, size_t)>
__attribute__((target("avx"))) void fill_avx(uint8_t* target, uint8_t byte, size_t length) {
  const Split parts = split(target, length);
  fill_part<Flush>(target, byte, parts.head);
  target += parts.head;
  const __m256i pattern = _mm256_set1_epi8(static_cast<char>(byte));
  for (size_t lines = parts.lines; lines > 0; lines--, target += kLine) {
    _mm256_stream_si256(reinterpret_cast<__m256i*>(target), pattern);
    _mm256_stream_si256(reinterpret_cast<__m256i*>(target + 32), pattern);
  }
  _mm256_zeroupper();
  fill_part<Flush>(target, byte, parts.tail);
}

template <void (*Flush)(const uint8_t*, size_t)>
void fill_sse2(uint8_t* target, uint8_t byte, size_t length) {
  const Split parts = split(target, length);
  fill_part<Flush>(target, byte, parts.head);
  target += parts.head;
  const __m128i pattern = _mm_set1_epi8(static_cast<char>(byte));
  for (size_t lines = parts.lines; lines > 0; lines--, target += kLine) {
    __m128i* to = reinterpret_cast<__m128i*>(target);
    for (int i = 0; i < 4; i++) _mm_stream_si128(to + i, pattern);
  }
  fill_part<Flush>(target, byte, parts.tail);
}

template <void (*Flush)(const uint8_t*, size_t)>
void fill_generic(uint8_t* target, uint8_t byte, size_t length) {
  fill_part<Flush>(target, byte, length);
}

// Stores go to whole lines of the target, but for its first and last, which overlap with them.
__attribute__((target("avx512f"))) void copy_from_pmem_avx512(uint8_t* target, const uint8_t* source, size_t length) {
  if (length < 2 * kLine) {
    memcpy(target, source, length);
    return;
  }
  _mm512_storeu_si512(target, _mm512_loadu_si512(source));
  _mm512_storeu_si512(target + length - kLine, _mm512_loadu_si512(source + length - kLine));
  const size_t head = kLine - (reinterpret_cast<uintptr_t>(target) & (kLine - 1));
  target += head;
  source += head;
  size_t lines = (length - head) / kLine;
  for (; lines >= 4; lines -= 4, target += 4 * kLine, source += 4 * kLine) {
    const __m512i a = _mm512_loadu_si512(source);
    const __m512i b = _mm512_loadu_si512(source + kLine);
    const __m512i c = _mm512_loadu_si512(source + 2 * kLine);
    const __m512i d = _mm512_loadu_si512(source + 3 * kLine);
    _mm512_store_si512(target, a);
    _mm512_store_si512(target + kLine, b);
    _mm512_store_si512(target + 2 * kLine, c);
    _mm512_store_si512(target + 3 * kLine, d);
  }
  for (; lines > 0; lines--, target += kLine, source += kLine) {
    _mm512_store_si512(target, _mm512_loadu_si512(source));
  }
}

__attribute__((target("avx"))) inline __m256i half_line(const uint8_t* source) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source));
}

__attribute__((target("avx"))) void copy_from_pmem_avx(uint8_t* target, const uint8_t* source, size_t length) {
  if (length < 2 * kLine) {
    memcpy(target, source, length);
    return;
  }
  memcpy(target, source, kLine);
  memcpy(target + length - kLine, source + length - kLine, kLine);
  const size_t head = kLine - (reinterpret_cast<uintptr_t>(target) & (kLine - 1));
  target += head;
  source += head;
  size_t lines = (length - head) / kLine;
  for (; lines >= 2; lines -= 2, target += 2 * kLine, source += 2 * kLine) {
    const __m256i a = half_line(source);
    const __m256i b = half_line(source + kLine / 2);
    const __m256i c = half_line(source + kLine);
    const __m256i d = half_line(source + kLine + kLine / 2);
    __m256i* const to = reinterpret_cast<__m256i*>(target);
    _mm256_store_si256(to, a);
    _mm256_store_si256(to + 1, b);
    _mm256_store_si256(to + 2, c);
    _mm256_store_si256(to + 3, d);
  }
  if (lines > 0) memcpy(target, source, kLine);
  _mm256_zeroupper();
}

void copy_from_pmem_generic(uint8_t* target, const uint8_t* source, size_t length) { memcpy(target, source, length); }

template <void (*Flush)(const uint8_t*, size_t)>
Kernels kernels_with(size_t copy) {
  const Kernels by_copy[] = {
      {Flush, copy_avx512<Flush>, fill_avx512<Flush>, copy_from_pmem_avx512},
      {Flush, copy_avx<Flush>, fill_avx<Flush>, copy_from_pmem_avx},
      {Flush, copy_sse2<Flush>, fill_sse2<Flush>, copy_from_pmem_generic},
      {Flush, copy_generic<Flush>, fill_generic<Flush>, copy_from_pmem_generic},
  };
  return by_copy[copy];
}

}  // namespace

// The order is that of features.cc.
Kernels kernels_for(size_t flush, size_t copy) {
  switch (flush) {
    case 0:
      return kernels_with<flush_clwb>(copy);
    case 1:
      return kernels_with<flush_clflushopt>(copy);
    default:
      return kernels_with<flush_clflush>(copy);
  }
}

}  // namespace pmem
