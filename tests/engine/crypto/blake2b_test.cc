// Keyed BLAKE2b of framed parts.
#include "engine/crypto/hash.h"

#include <string>

#include "tests/support/catch.h"

namespace khipu::crypto {
namespace {

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
