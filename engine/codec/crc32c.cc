// CRC-32C. The SSE4.2 instruction takes 8 bytes in 3 cycles but can start one a cycle: so three parts of a longer input
// are run side by side and joined by multiplying with what a run of zero bytes does to a checksum.
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <array>

#include "engine/codec/frame.h"

namespace khipu::codec {

namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // 0x1edc6f41 reflected

using Table = std::array<std::array<uint32_t, 256>, 8>;

// kTable[k][b]: the checksum register after byte b and k zero bytes.
constexpr Table make_table() {
  Table table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ kPolynomial : crc >> 1;
    table[0][byte] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = table[k - 1][byte];
      table[k][byte] = table[0][before & 0xff] ^ before >> 8;
    }
  }
  return table;
}
constexpr Table kTable = make_table();

}  // namespace

uint32_t crc32c_portable(Bytes bytes, uint32_t crc) {
  const uint8_t* at = bytes.data();
  size_t size = bytes.size();
  crc = ~crc;
  for (; size >= 8; size -= 8, at += 8) {
    const uint64_t word = load_le<uint64_t>(at) ^ crc;
    crc = 0;
    for (size_t i = 0; i < 8; ++i) crc ^= kTable[7 - i][word >> (8 * i) & 0xff];
  }
  for (; size > 0; --size, ++at) crc = kTable[0][(crc ^ *at) & 0xff] ^ crc >> 8;
  return ~crc;
}

#if defined(__x86_64__)

namespace {

constexpr size_t kWordsMax = 128;      // of a part
constexpr size_t kThreePartsMin = 96;  // bytes; less is over sooner in one part

// kShift[k]: x^(64 k - 33) mod P, by which what k words of zeroes do to a register is a multiplication: 33, because the
// product of two reflected numbers lies one bit off, and the instruction that reduces it multiplies by x^32 (V. Gopal
// et al., Fast CRC Computation for iSCSI Polynomial Using CRC32 Instruction, Intel 2011).
constexpr auto kShift = [] {
  std::array<uint32_t, 2 * kWordsMax + 1> shift{};
  uint32_t power = 0x80000000;  // x^0
  const auto times_x = [&] { power = (power & 1) != 0 ? power >> 1 ^ kPolynomial : power >> 1; };
  for (int i = 0; i < 64 - 33; ++i) times_x();
  for (size_t words = 1; words < shift.size(); ++words) {
    shift[words] = power;
    for (int i = 0; i < 64; ++i) times_x();
  }
  return shift;
}();

__attribute__((target("sse4.2,pclmul"), always_inline)) inline __m128i shifted(uint64_t crc, size_t words) {
  return _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<int64_t>(crc)),
                              _mm_cvtsi32_si128(static_cast<int>(kShift[words])), 0);
}

__attribute__((target("sse4.2,pclmul"))) uint32_t crc32c_sse42(Bytes bytes, uint32_t start) {
  const uint8_t* at = bytes.data();
  size_t size = bytes.size();
  uint64_t crc = ~start;
  while (size >= kThreePartsMin) {
    const size_t words = std::min(size / 24, kWordsMax), part = 8 * words;
    uint64_t second = 0;
    uint64_t third = 0;
    for (const uint8_t* const end = at + part; at != end; at += 8) {
      crc = _mm_crc32_u64(crc, load_le<uint64_t>(at));
      second = _mm_crc32_u64(second, load_le<uint64_t>(at + part));
      third = _mm_crc32_u64(third, load_le<uint64_t>(at + 2 * part));
    }
    at += 2 * part;
    size -= 3 * part;
    const __m128i before = _mm_xor_si128(shifted(crc, 2 * words), shifted(second, words));
    crc = third ^ _mm_crc32_u64(0, static_cast<uint64_t>(_mm_cvtsi128_si64(before)));
  }
  for (; size >= 8; size -= 8, at += 8) crc = _mm_crc32_u64(crc, load_le<uint64_t>(at));
  auto short_crc = static_cast<uint32_t>(crc);
  if ((size & 4) != 0) {
    short_crc = _mm_crc32_u32(short_crc, load_le<uint32_t>(at));
    at += 4;
  }
  if ((size & 2) != 0) {
    short_crc = _mm_crc32_u16(short_crc, load_le<uint16_t>(at));
    at += 2;
  }
  if ((size & 1) != 0) short_crc = _mm_crc32_u8(short_crc, *at);
  return ~short_crc;
}

}  // namespace

uint32_t crc32c(Bytes bytes, uint32_t crc) {
  static const bool has_instructions = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
  return has_instructions ? crc32c_sse42(bytes, crc) : crc32c_portable(bytes, crc);
}

#else

uint32_t crc32c(Bytes bytes, uint32_t crc) { return crc32c_portable(bytes, crc); }

#endif

}  // namespace khipu::codec
