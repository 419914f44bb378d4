// Many keyed hashes side by side are the ones that libsodium makes one by one.
#include "engine/crypto/blake2b_lanes.h"

#include <string>
#include <vector>

#include "tests/support/catch.h"

namespace khipu::crypto {
namespace {

TEST_CASE("blake2b lanes: however many and however long, they are what libsodium makes one by one") {
  Buffer key(32);
  for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<uint8_t>(7 * i + 1);
  for (size_t count = 0; count <= 9; ++count) {
    for (size_t size = 0; size <= 140; ++size) {
      std::vector<std::string> texts;
      for (size_t i = 0; i < count; ++i) texts.emplace_back((size + i) % 141, static_cast<char>('a' + i));
      const std::vector<std::string_view> parts(texts.begin(), texts.end());
      std::vector<Hash> out(count);
      blake2b_keyed_each(key, "token", parts, out);
      for (size_t i = 0; i < count; ++i) REQUIRE(out[i] == blake2b_keyed(key, "token", {as_bytes(texts[i])}));
    }
  }
  // Another label and another key make others.
  const std::vector<std::string_view> parts = {"one", "two", "three"};
  std::vector<Hash> first(3), second(3), third(3);
  blake2b_keyed_each(key, "token", parts, first);
  blake2b_keyed_each(key, "other", parts, second);
  key[31] ^= 1;
  blake2b_keyed_each(key, "token", parts, third);
  for (size_t i = 0; i < 3; ++i) {
    CHECK(first[i] != second[i]);
    CHECK(first[i] != third[i]);
    CHECK(first[i] != first[(i + 1) % 3]);
  }
}

TEST_CASE("blake2b: a message of several parts is the same hash in one piece and piece by piece") {
  const Buffer key(32, 0x5a);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{400}, size_t{491}, size_t{492}, size_t{493}, size_t{5000}}) {
    const std::string text(size, 'x');
    Buffer framed;
    for (const std::string_view part : {std::string_view("label"), std::string_view(text)}) {
      append_le<uint64_t>(framed, part.size());
      append(framed, as_bytes(part));
    }
    const Buffer whole = blake2b(key, framed, 32);
    const Hash parts = blake2b_keyed(key, "label", {as_bytes(text)});
    CHECK(Buffer(parts.begin(), parts.end()) == whole);
  }
}

}  // namespace
}  // namespace khipu::crypto
