// CRC-32C against RFC 3720 B.4, and the two ways of computing it against each other.
#include "engine/codec/frame.h"
#include "tests/support/catch.h"

using namespace khipu;
using codec::crc32c;
using codec::crc32c_portable;

TEST_CASE("crc32c: the vectors of RFC 3720 B.4") {
  const Buffer zeros(32, 0);
  const Buffer ones(32, 0xff);
  Buffer up(32);
  Buffer down(32);
  for (size_t i = 0; i < 32; ++i) {
    up[i] = static_cast<uint8_t>(i);
    down[i] = static_cast<uint8_t>(31 - i);
  }
  const auto read_command = from_hex(
      "01c00000000000000000000000000000"
      "14000000000004000000001400000018"
      "28000000000000000200000000000000");
  REQUIRE(read_command.has_value());
  for (const auto function : {crc32c, crc32c_portable}) {
    CHECK(function(zeros, 0) == 0x8a9136aa);
    CHECK(function(ones, 0) == 0x62a8ab43);
    CHECK(function(up, 0) == 0x46dd794e);
    CHECK(function(down, 0) == 0x113fdb5c);
    CHECK(function(*read_command, 0) == 0xd9963a56);
    CHECK(function(as_bytes("123456789"), 0) == 0xe3069283);
    CHECK(function({}, 0) == 0);
  }
}

TEST_CASE("crc32c: the instruction and the table agree at every length, alignment and cut") {
  Buffer bytes(16384);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 2654435761U >> 11);
  for (size_t size = 0; size < 1300; ++size) {
    const Bytes part = Bytes(bytes).subspan(size % 9, size);
    REQUIRE(crc32c(part, 0) == crc32c_portable(part, 0));
  }
  for (const size_t size : {3071, 3072, 3073, 6143, 6144, 6528, 16375}) {
    const Bytes part = Bytes(bytes).subspan(3, size);
    const uint32_t whole = crc32c(part);
    CHECK(whole == crc32c_portable(part));
    for (const size_t cut : {0, 1, 7, 8, 384, 3071}) {
      if (cut <= size) CHECK(crc32c(part.subspan(cut), crc32c(part.first(cut))) == whole);
    }
  }
}
