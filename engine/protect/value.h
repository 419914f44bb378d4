// The bytes of a protected value in a record, and the sizes they are padded to. Specified in engine/FORMAT.md
// "Protected values". Not here: how they are made (sealer.h) and opened (opener.h).
//
//   sealed  0x01 | ring u16 | key number u32 | nonce 24 | ciphertext | tag 16      little-endian
//   digest  0x02 | key version u16 | BLAKE2b-256
//
// What is encrypted is the plaintext, 0x80, and zeroes up to padded_size(): a size class and no more is on the disk.
#pragma once

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/base/result.h"

namespace khipu::protect {

inline constexpr uint8_t kSealedMark = 0x01;
inline constexpr uint8_t kDigestMark = 0x02;
inline constexpr size_t kNonceSize = 24;
inline constexpr size_t kTagSize = 16;
inline constexpr size_t kSealedHeadSize = 1 + 2 + 4 + kNonceSize;
inline constexpr size_t kSealedOverhead = kSealedHeadSize + kTagSize;
inline constexpr size_t kDigestSize = 1 + 2 + 32;
inline constexpr size_t kPlaintextSizeMax = 64U << 20;

// The least of 16, 32 and 64, or else Padme's size, that holds `size` bytes and the 0x80 behind them.
size_t padded_size(size_t size);
constexpr size_t sealed_size(size_t padded) { return padded + kSealedOverhead; }

struct SealedValue {  // borrows
  uint16_t ring = 0;
  uint32_t key_number = 0;
  Bytes nonce;
  Bytes ciphertext;                                                   // with its tag
  size_t size_class() const { return ciphertext.size() - kTagSize; }  // of the padded plaintext: all that anybody sees
};
// kCorrupt for what no sealer writes: another mark, a size that is no padded size, a key number of 0.
Result<SealedValue> parse_sealed(Bytes value);

struct DigestValue {
  uint16_t key_version = 0;
  Hash digest{};
};
Result<DigestValue> parse_digest(Bytes value);
std::array<uint8_t, kDigestSize> digest_bytes(const DigestValue& value);

// Where the plaintext ends in what was decrypted; kCorrupt when there is no padding.
Result<size_t> unpadded_size(Bytes padded);

}  // namespace khipu::protect
