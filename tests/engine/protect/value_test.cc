#include "engine/protect/value.h"

#include "tests/support/catch.h"

namespace khipu::protect {
namespace {

TEST_CASE("value: lengths are padded to 16, 32, 64 and then to Padmé's sizes, at most 12 percent more") {
  CHECK(padded_size(0) == 16);
  CHECK(padded_size(15) == 16);
  CHECK(padded_size(16) == 32);
  CHECK(padded_size(31) == 32);
  CHECK(padded_size(32) == 64);
  CHECK(padded_size(63) == 64);
  CHECK(padded_size(64) == 72);
  CHECK(padded_size(999) == 1024);  // 1000 is ten bits: its last five become zeroes, upwards
  size_t before = 0;
  size_t sizes = 0;
  for (size_t size = 0; size < 100'000; ++size) {
    const size_t padded = padded_size(size);
    REQUIRE(padded > size);
    REQUIRE(padded >= before);
    if (size >= 64) REQUIRE(padded <= (size + 1) + (size + 1) / 8);
    if (padded != before) ++sizes;
    before = padded;
  }
  CHECK(sizes < 200);
}

Buffer example(size_t padded) {
  Buffer value(sealed_size(padded), 0xAB);
  value[0] = kSealedMark;
  store_le<uint16_t>(value.data() + 1, 2);
  store_le<uint32_t>(value.data() + 3, 9);
  return value;
}

TEST_CASE("value: a sealed value is read back, and no size but a padded one is taken") {
  const Buffer value = example(32);
  const auto parsed = parse_sealed(value);
  REQUIRE(parsed.ok());
  CHECK(parsed->ring == 2);
  CHECK(parsed->key_number == 9);
  CHECK(parsed->nonce.size() == 24);
  CHECK(parsed->size_class() == 32);
  for (size_t size = 0; size < value.size(); ++size) {
    INFO(size);
    CHECK(parse_sealed(Bytes(value).first(size)).ok() == (size == sealed_size(16)));
  }
  Buffer wrong = value;
  wrong[0] = kDigestMark;
  CHECK_FALSE(parse_sealed(wrong).ok());
  wrong = value;
  store_le<uint32_t>(wrong.data() + 3, 0);
  CHECK_FALSE(parse_sealed(wrong).ok());
}

TEST_CASE("value: a digest is read back, and nothing else is taken for one") {
  DigestValue value;
  value.key_version = 513;
  value.digest.fill(0x5A);
  const auto bytes = digest_bytes(value);
  CHECK(hex(Bytes(bytes).first(4)) == "0201025a");
  const auto parsed = parse_digest(bytes);
  REQUIRE(parsed.ok());
  CHECK(parsed->key_version == 513);
  CHECK(parsed->digest == value.digest);
  for (size_t size = 0; size < bytes.size(); ++size) CHECK_FALSE(parse_digest(Bytes(bytes).first(size)).ok());
  auto wrong = bytes;
  wrong[0] = kSealedMark;
  CHECK_FALSE(parse_digest(wrong).ok());
  wrong = bytes;
  wrong[1] = wrong[2] = 0;
  CHECK_FALSE(parse_digest(wrong).ok());
}

TEST_CASE("value: padding is taken away again, and what was not padded so is refused") {
  for (const size_t size : {0, 1, 15, 16, 63, 64, 1000}) {
    Buffer padded(padded_size(size), 0);
    std::fill_n(padded.begin(), size, uint8_t{0});  // zeroes are data as well
    padded[size] = 0x80;
    const auto back = unpadded_size(padded);
    REQUIRE(back.ok());
    CHECK(*back == size);
  }
  CHECK_FALSE(unpadded_size(Buffer(16, 0)).ok());
  CHECK_FALSE(unpadded_size(Buffer(16, 0x41)).ok());
  Buffer loose(64, 0);  // three bytes would have been padded to 16
  loose[3] = 0x80;
  CHECK_FALSE(unpadded_size(loose).ok());
}

}  // namespace
}  // namespace khipu::protect
