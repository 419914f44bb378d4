#include "engine/crypto/aead.h"

#include <sodium.h>

#include <array>

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
  constexpr size_t kWorthKey = 256;  // the kernel's generator costs four times the stream of a key it gave
  if (into.size() < kWorthKey) return randombytes_buf(into.data(), into.size());
  std::array<uint8_t, crypto_stream_chacha20_ietf_KEYBYTES> key;
  constexpr std::array<uint8_t, crypto_stream_chacha20_ietf_NONCEBYTES> kOnce{};  // the key serves this one call
  randombytes_buf(key.data(), key.size());
  crypto_stream_chacha20_ietf(into.data(), into.size(), kOnce.data(), key.data());
  wipe(key);
}

}  // namespace khipu::crypto
