// Ed25519 (RFC 8032): sign with a seed held in locked memory, verify with a public key. Deterministic: the same seed
// and message give the same signature. Not here: what is signed and its context strings (engine/codec, engine/tree).
#pragma once

#include <array>

#include "engine/base/bytes.h"
#include "engine/base/result.h"
#include "engine/crypto/secret.h"

namespace khipu::crypto {

inline constexpr size_t kSeedSize = 32;
inline constexpr size_t kPublicKeySize = 32;
inline constexpr size_t kSignatureSize = 64;
using PublicKey = std::array<uint8_t, kPublicKeySize>;
using Signature = std::array<uint8_t, kSignatureSize>;

// Owner: one; sign() from any thread. The private half never leaves it.
class SigningKey {
 public:
  static SigningKey generate();
  // kInvalid unless the seed has 32 bytes.
  static Result<SigningKey> from_seed(const SecretBytes& seed);

  const PublicKey& public_key() const { return public_key_; }
  Signature sign(Bytes message) const;  // 21 us

 private:
  SigningKey() = default;
  SecretBytes secret_;  // libsodium's form: seed | public key
  PublicKey public_key_{};
};

// S >= L and small-order keys are refused (libsodium's checks). Sizes other than 32 and 64 are false.
bool verify(Bytes public_key, Bytes signature, Bytes message);

}  // namespace khipu::crypto
