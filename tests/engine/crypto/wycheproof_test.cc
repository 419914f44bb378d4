// Published vectors of what protected fields are made of.
#include <nlohmann/json.hpp>

#include "engine/crypto/aead.h"
#include "engine/crypto/box.h"
#include "tests/support/catch.h"
#include "tests/support/shared.h"

namespace khipu::crypto {
namespace {

Buffer bytes_of(const nlohmann::json& test, const char* member) {
  return from_hex(test.at(member).get<std::string>()).value();
}
nlohmann::json groups(const char* file) {
  const auto path = tests::shared_path(std::string("vectors/published/wycheproof/") + file);
  if (!path) return {};
  return nlohmann::json::parse(tests::file_text(*path)).at("testGroups");
}

TEST_CASE("aead: Wycheproof's XChaCha20-Poly1305 vectors, sealed and opened") {
  const auto all = groups("xchacha20_poly1305_test.json");
  if (all.empty()) {
    WARN("no vectors here");
    return;
  }
  size_t valid = 0, invalid = 0, other_sizes = 0;
  for (const auto& group : all) {
    for (const auto& test : group.at("tests")) {
      const Buffer key = bytes_of(test, "key"), nonce = bytes_of(test, "iv"), associated = bytes_of(test, "aad");
      const Buffer message = bytes_of(test, "msg");
      Buffer sealed = bytes_of(test, "ct");
      append(sealed, bytes_of(test, "tag"));
      INFO(test.at("tcId"));
      if (nonce.size() != kAeadNonceSize) {
        ++other_sizes;  // our interface takes 24 bytes and nothing else
        continue;
      }
      Buffer opened(sealed.size() - kAeadTagSize);
      if (test.at("result") == "valid") {
        ++valid;
        Buffer out(message.size() + kAeadTagSize);
        aead_seal(key, nonce, associated, message, out);
        CHECK(out == sealed);
        CHECK(aead_open(key, nonce, associated, sealed, opened));
        CHECK(opened == message);
      } else {
        ++invalid;
        CHECK_FALSE(aead_open(key, nonce, associated, sealed, opened));
        CHECK(opened == Buffer(opened.size(), 0));
      }
    }
  }
  CHECK(valid > 200);
  CHECK(invalid > 40);
  CHECK(valid + invalid + other_sizes == 315);
}

TEST_CASE("box: Wycheproof's X25519 vectors, where a point that gives zeroes is refused") {
  const auto all = groups("x25519_test.json");
  if (all.empty()) {
    WARN("no vectors here");
    return;
  }
  size_t tried = 0, zeroes = 0;
  for (const auto& group : all) {
    for (const auto& test : group.at("tests")) {
      const Buffer shared = bytes_of(test, "shared");
      Buffer got(32);
      const bool accepted = x25519(bytes_of(test, "private"), bytes_of(test, "public"), got);
      INFO(test.at("tcId"));
      const bool zero = shared == Buffer(32, 0);
      zeroes += zero;
      CHECK(accepted == !zero);
      if (accepted) CHECK(got == shared);
      ++tried;
    }
  }
  CHECK(tried == 518);
  CHECK(zeroes > 5);
}

TEST_CASE("box: what is sealed to a pair opens with it, and not when a bit is other") {
  const BoxKeyPair pair = BoxKeyPair::generate(), stranger = BoxKeyPair::generate();
  const Buffer message = {1, 2, 3};
  Buffer box(message.size() + kBoxOverhead);
  REQUIRE(box_seal(pair.public_key(), message, box).ok());
  const auto opened = pair.open(box);
  REQUIRE(opened.ok());
  CHECK(std::equal(message.begin(), message.end(), opened->bytes().begin(), opened->bytes().end()));
  CHECK_FALSE(stranger.open(box).ok());
  for (size_t i = 0; i < box.size(); ++i) {
    Buffer changed = box;
    changed[i] ^= 4;
    CHECK_FALSE(pair.open(changed).ok());
  }
  for (size_t size = 0; size < kBoxOverhead; ++size) CHECK_FALSE(pair.open(Bytes(box).first(size)).ok());
  const auto again = BoxKeyPair::from_secret(pair.secret());
  REQUIRE(again.ok());
  CHECK(again->public_key() == pair.public_key());
  CHECK_FALSE(BoxKeyPair::from_secret(SecretBytes(31)).ok());
}

}  // namespace
}  // namespace khipu::crypto
