#include "engine/crypto/signature.h"

#include <sodium.h>

namespace khipu::crypto {

static_assert(kSeedSize == crypto_sign_SEEDBYTES && kPublicKeySize == crypto_sign_PUBLICKEYBYTES &&
              kSignatureSize == crypto_sign_BYTES);

SigningKey SigningKey::generate() {
  Result<SigningKey> key = from_seed(SecretBytes::random(kSeedSize));
  return std::move(key).value();
}

Result<SigningKey> SigningKey::from_seed(const SecretBytes& seed) {
  if (seed.size() != kSeedSize) return Error{Code::kInvalid, "a signing seed has 32 bytes"};
  init();
  SigningKey key;
  key.secret_ = SecretBytes(crypto_sign_SECRETKEYBYTES);
  const int failed =
      crypto_sign_seed_keypair(key.public_key_.data(), key.secret_.writable().data(), seed.bytes().data());
  KHIPU_ASSERT(failed == 0);
  return key;
}

Signature SigningKey::sign(Bytes message) const {
  Signature signature;
  const int failed =
      crypto_sign_detached(signature.data(), nullptr, message.data(), message.size(), secret_.bytes().data());
  KHIPU_ASSERT(failed == 0);
  return signature;
}

bool verify(Bytes public_key, Bytes signature, Bytes message) {
  if (public_key.size() != kPublicKeySize || signature.size() != kSignatureSize) return false;
  init();
  return crypto_sign_verify_detached(signature.data(), message.data(), message.size(), public_key.data()) == 0;
}

}  // namespace khipu::crypto
