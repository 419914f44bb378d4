#include "engine/crypto/aead.h"

#include <sodium.h>

#include "engine/base/assert.h"
#include "engine/crypto/secret.h"

namespace khipu::crypto {

static_assert(kAeadKeySize == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
static_assert(kAeadNonceSize == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
static_assert(kAeadTagSize == crypto_aead_xchacha20poly1305_ietf_ABYTES);

void aead_seal(Bytes key, Bytes nonce, Bytes associated, Bytes message, std::span<uint8_t> out) {
  KHIPU_ASSERT(key.size() == kAeadKeySize && nonce.size() == kAeadNonceSize);
  KHIPU_ASSERT(out.size() == message.size() + kAeadTagSize);
  init();
  crypto_aead_xchacha20poly1305_ietf_encrypt(out.data(), nullptr, message.data(), message.size(), associated.data(),
                                             associated.size(), nullptr, nonce.data(), key.data());
}

bool aead_open(Bytes key, Bytes nonce, Bytes associated, Bytes sealed, std::span<uint8_t> out) {
  KHIPU_ASSERT(key.size() == kAeadKeySize && nonce.size() == kAeadNonceSize);
  KHIPU_ASSERT(out.size() + kAeadTagSize == sealed.size());
  init();
  const bool opened =
      crypto_aead_xchacha20poly1305_ietf_decrypt(out.data(), nullptr, nullptr, sealed.data(), sealed.size(),
                                                 associated.data(), associated.size(), nonce.data(), key.data()) == 0;
  if (!opened) wipe(out);
  return opened;
}

void random_fill(std::span<uint8_t> into) {
  init();
  randombytes_buf(into.data(), into.size());
}

}  // namespace khipu::crypto
