// CRC-32C. The SSE4.2 instruction takes 8 bytes in 3 cycles but can start one a cycle: so three parts of a longer input
// are run side by side and joined by a table that says what a run of zero bytes does to a checksum (M. Adler's crc32c.c
// is the known example of this way).
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

// What `size` zero bytes do to a register, a byte of the register at a time.
struct Zeros {
  std::array<std::array<uint32_t, 256>, 4> table{};
  explicit Zeros(size_t size) {
    for (size_t byte = 0; byte < 4; ++byte) {
      for (uint32_t bit = 0; bit < 8; ++bit) {
        uint32_t crc = 1U << (8 * byte + bit);
        for (size_t i = 0; i < size; ++i) crc = kTable[0][crc & 0xff] ^ crc >> 8;
        table[byte][size_t{1} << bit] = crc;
      }
      for (size_t value = 1; value < 256; ++value) {  // the operation is linear over its bits
        const size_t lowest = value & (~value + 1);
        table[byte][value] = table[byte][lowest] ^ table[byte][value ^ lowest];
      }
    }
  }
  uint32_t after(uint64_t crc) const {
    return table[0][crc & 0xff] ^ table[1][crc >> 8 & 0xff] ^ table[2][crc >> 16 & 0xff] ^ table[3][crc >> 24 & 0xff];
  }
};

constexpr size_t kLongPart = 1024;
constexpr size_t kShortPart = 128;
constexpr size_t kLeastPart = 64;  // three of them are an ordinary event

template <size_t kPart>
__attribute__((target("sse4.2"))) const uint8_t* three_parts(const uint8_t* at, size_t& size, uint64_t& crc) {
  static const Zeros zeros(kPart);
  for (; size >= 3 * kPart; size -= 3 * kPart, at += 3 * kPart) {
    uint64_t second = 0;
    uint64_t third = 0;
    for (const uint8_t* from = at; from != at + kPart; from += 8) {
      crc = __builtin_ia32_crc32di(crc, load_le<uint64_t>(from));
      second = __builtin_ia32_crc32di(second, load_le<uint64_t>(from + kPart));
      third = __builtin_ia32_crc32di(third, load_le<uint64_t>(from + 2 * kPart));
    }
    crc = zeros.after(crc) ^ second;
    crc = zeros.after(crc) ^ third;
  }
  return at;
}

__attribute__((target("sse4.2"))) uint32_t crc32c_sse42(Bytes bytes, uint32_t start) {
  const uint8_t* at = bytes.data();
  size_t size = bytes.size();
  uint64_t crc = ~start;
  if (size >= 3 * kLongPart) at = three_parts<kLongPart>(at, size, crc);
  if (size >= 3 * kShortPart) at = three_parts<kShortPart>(at, size, crc);
  if (size >= 3 * kLeastPart) at = three_parts<kLeastPart>(at, size, crc);
  for (; size >= 8; size -= 8, at += 8) crc = __builtin_ia32_crc32di(crc, load_le<uint64_t>(at));
  auto short_crc = static_cast<uint32_t>(crc);
  if ((size & 4) != 0) {
    short_crc = __builtin_ia32_crc32si(short_crc, load_le<uint32_t>(at));
    at += 4;
  }
  if ((size & 2) != 0) {
    short_crc = __builtin_ia32_crc32hi(short_crc, load_le<uint16_t>(at));
    at += 2;
  }
  if ((size & 1) != 0) short_crc = __builtin_ia32_crc32qi(short_crc, *at);
  return ~short_crc;
}

}  // namespace

uint32_t crc32c(Bytes bytes, uint32_t crc) {
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  return has_instruction ? crc32c_sse42(bytes, crc) : crc32c_portable(bytes, crc);
}

#else

uint32_t crc32c(Bytes bytes, uint32_t crc) { return crc32c_portable(bytes, crc); }

#endif

}  // namespace khipu::codec
