// XChaCha20-Poly1305 (IETF), with a 24-byte nonce that may be drawn at random. Stateless and thread-safe.
// Not key-committing: a key from outside is checked against its commitment first (engine/protect).
#pragma once

#include "engine/base/bytes.h"

namespace khipu::crypto {

inline constexpr size_t kAeadKeySize = 32;
inline constexpr size_t kAeadNonceSize = 24;
inline constexpr size_t kAeadTagSize = 16;

// out.size() == message.size() + kAeadTagSize; `message` may be the front of `out`.
void aead_seal(Bytes key, Bytes nonce, Bytes associated, Bytes message, std::span<uint8_t> out);
// out.size() + kAeadTagSize == sealed.size(); `out` may be the front of `sealed`. False: changed, or another key,
// nonce or associated data; `out` is zeroes then.
[[nodiscard]] bool aead_open(Bytes key, Bytes nonce, Bytes associated, Bytes sealed, std::span<uint8_t> out);

// The kernel's randomness. A system call each: draw in batches.
void random_fill(std::span<uint8_t> into);

}  // namespace khipu::crypto
