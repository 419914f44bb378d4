#include "engine/crypto/signature.h"

#include "tests/support/catch.h"

namespace khipu::crypto {
namespace {

struct Vector {
  const char* seed;
  const char* public_key;
  const char* message;
  const char* signature;
};
// RFC 8032 section 7.1, tests 1 to 3.
constexpr Vector kVectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe246"
     "55141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb"
     "00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc"
     "027beceea1ec40a"},
};

Buffer bytes_of(const char* text) { return *from_hex(text); }

TEST_CASE("ed25519: the vectors of RFC 8032, signed and verified") {
  for (const Vector& vector : kVectors) {
    const auto key = SigningKey::from_seed(SecretBytes::copy_of(bytes_of(vector.seed)));
    REQUIRE(key.ok());
    CHECK(hex(key->public_key()) == vector.public_key);
    const Buffer message = bytes_of(vector.message);
    CHECK(hex(key->sign(message)) == vector.signature);
    CHECK(verify(key->public_key(), bytes_of(vector.signature), message));
  }
}

TEST_CASE("ed25519: every flipped bit of signature, message or key is refused") {
  const SigningKey key = SigningKey::generate();
  const Buffer message = {1, 2, 3, 4};
  const Signature signature = key.sign(message);
  const auto flipped = [](Bytes bytes, size_t bit) {
    Buffer other(bytes.begin(), bytes.end());
    other[bit / 8] = static_cast<uint8_t>(other[bit / 8] ^ (1U << (bit % 8)));
    return other;
  };
  for (size_t bit = 0; bit < 512; ++bit) CHECK_FALSE(verify(key.public_key(), flipped(signature, bit), message));
  for (size_t bit = 0; bit < 32; ++bit) CHECK_FALSE(verify(key.public_key(), signature, flipped(message, bit)));
  for (size_t bit = 0; bit < 256; ++bit) CHECK_FALSE(verify(flipped(key.public_key(), bit), signature, message));
}

TEST_CASE("ed25519: a second signature made by adding the group order to S is refused") {
  const auto key = SigningKey::from_seed(SecretBytes::copy_of(bytes_of(kVectors[0].seed)));
  Signature signature = key->sign({});
  const Buffer order = bytes_of("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  unsigned carry = 0;
  for (size_t i = 0; i < 32; ++i) {
    carry += signature[32 + i] + order[i];
    signature[32 + i] = static_cast<uint8_t>(carry);
    carry >>= 8;
  }
  CHECK(carry == 0);
  CHECK_FALSE(verify(key->public_key(), signature, {}));
}

TEST_CASE("ed25519: keys of small order and wrong sizes are refused") {
  Signature zero{};
  zero[0] = 1;  // R is the neutral element, S is 0: it would fit any message under these keys
  for (const char* small : {"0100000000000000000000000000000000000000000000000000000000000000",
                            "0000000000000000000000000000000000000000000000000000000000000000",
                            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"}) {
    CHECK_FALSE(verify(bytes_of(small), zero, as_bytes("x")));
  }
  const SigningKey key = SigningKey::generate();
  const Signature signature = key.sign({});
  CHECK(verify(key.public_key(), signature, {}));
  CHECK_FALSE(verify(Bytes(key.public_key()).first(31), signature, {}));
  CHECK_FALSE(verify(key.public_key(), Bytes(signature).first(63), {}));
  CHECK(SigningKey::from_seed(SecretBytes(31)).error().code == Code::kInvalid);
}

}  // namespace
}  // namespace khipu::crypto
