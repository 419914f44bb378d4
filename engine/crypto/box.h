// X25519 key pairs and anonymous sealed boxes (libsodium crypto_box_seal: an ephemeral pair, XSalsa20-Poly1305): what
// is sealed to a public key is opened with the private half, by nobody else, the sealer included. 110 us to seal.
// Not here: what is sealed (engine/protect).
#pragma once

#include <array>

#include "engine/base/bytes.h"
#include "engine/base/result.h"
#include "engine/crypto/secret.h"

namespace khipu::crypto {

inline constexpr size_t kBoxKeySize = 32;
inline constexpr size_t kBoxOverhead = 48;
using BoxPublicKey = std::array<uint8_t, kBoxKeySize>;

class BoxKeyPair {
 public:
  static BoxKeyPair generate();
  // kInvalid unless the secret has 32 bytes.
  static Result<BoxKeyPair> from_secret(const SecretBytes& secret);

  const BoxPublicKey& public_key() const { return public_key_; }
  const SecretBytes& secret() const { return secret_; }
  // kCorrupt when it was not sealed to this pair or was changed.
  Result<SecretBytes> open(Bytes box) const;

 private:
  BoxKeyPair() = default;
  SecretBytes secret_;
  BoxPublicKey public_key_{};
};

// box.size() == message.size() + kBoxOverhead. kInvalid for a public key of small order, which would seal to everybody.
Result<void> box_seal(const BoxPublicKey& to, Bytes message, std::span<uint8_t> box);

// X25519 itself, for published vectors: false when the result is all zeroes.
bool x25519(Bytes secret, Bytes point, std::span<uint8_t> shared);

}  // namespace khipu::crypto
