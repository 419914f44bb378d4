#include "engine/crypto/box.h"

#include <sodium.h>

#include <algorithm>

#include "engine/base/assert.h"

namespace khipu::crypto {

static_assert(kBoxKeySize == crypto_box_PUBLICKEYBYTES && kBoxKeySize == crypto_box_SECRETKEYBYTES);
static_assert(kBoxOverhead == crypto_box_SEALBYTES);

BoxKeyPair BoxKeyPair::generate() {
  init();
  BoxKeyPair pair;
  pair.secret_ = SecretBytes(kBoxKeySize);
  crypto_box_keypair(pair.public_key_.data(), pair.secret_.writable().data());
  return pair;
}

Result<BoxKeyPair> BoxKeyPair::from_secret(const SecretBytes& secret) {
  if (secret.size() != kBoxKeySize) return Error{Code::kInvalid, "an X25519 key has 32 bytes"};
  init();
  BoxKeyPair pair;
  pair.secret_ = SecretBytes::copy_of(secret.bytes());
  crypto_scalarmult_base(pair.public_key_.data(), pair.secret_.bytes().data());
  return pair;
}

Result<SecretBytes> BoxKeyPair::open(Bytes box) const {
  if (box.size() < kBoxOverhead) return Error{Code::kCorrupt, "a sealed box that is too short"};
  SecretBytes message(box.size() - kBoxOverhead);
  if (crypto_box_seal_open(message.writable().data(), box.data(), box.size(), public_key_.data(),
                           secret_.bytes().data()) != 0) {
    return Error{Code::kCorrupt, "a sealed box that was made for another key, or changed"};
  }
  return message;
}

Result<void> box_seal(const BoxPublicKey& to, Bytes message, std::span<uint8_t> box) {
  KHIPU_ASSERT(box.size() == message.size() + kBoxOverhead);
  init();
  if (crypto_box_seal(box.data(), message.data(), message.size(), to.data()) != 0) {
    return Error{Code::kInvalid, "a public key that no pair has"};
  }
  return {};
}

bool x25519(Bytes secret, Bytes point, std::span<uint8_t> shared) {
  KHIPU_ASSERT(secret.size() == kBoxKeySize && point.size() == kBoxKeySize && shared.size() == kBoxKeySize);
  init();
  return crypto_scalarmult(shared.data(), secret.data(), point.data()) == 0;
}

}  // namespace khipu::crypto
