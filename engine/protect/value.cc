#include "engine/protect/value.h"

#include <bit>

namespace khipu::protect {
namespace {

// Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files", PETS 2019): at most 12 % more, and
// O(log log n) bits of the length are seen.
uint64_t padme(uint64_t size) {
  const auto exponent = std::bit_width(size) - 1;
  const auto significant = std::bit_width(exponent);
  const uint64_t mask = (uint64_t{1} << (exponent - significant)) - 1;
  return (size + mask) & ~mask;
}

}  // namespace

size_t padded_size(size_t size) {
  KHIPU_ASSERT(size <= kPlaintextSizeMax);
  const size_t least = size + 1;
  if (least <= 16) return 16;
  if (least <= 32) return 32;
  return least <= 64 ? 64 : padme(least);
}

Result<SealedValue> parse_sealed(Bytes value) {
  if (value.size() < sealed_size(16) || value[0] != kSealedMark) {
    return Error{Code::kCorrupt, "a sealed value: not in the form of one"};
  }
  const size_t padded = value.size() - kSealedOverhead;
  if (padded > padded_size(kPlaintextSizeMax) || padded_size(padded - 1) != padded) {
    return Error{Code::kCorrupt, "a sealed value: its size is none that values are padded to"};
  }
  SealedValue parsed;
  parsed.ring = load_le<uint16_t>(value.data() + 1);
  parsed.key_number = load_le<uint32_t>(value.data() + 3);
  if (parsed.key_number == 0) return Error{Code::kCorrupt, "a sealed value: key number 0"};
  parsed.nonce = value.subspan(7, kNonceSize);
  parsed.ciphertext = value.subspan(kSealedHeadSize);
  return parsed;
}

Result<DigestValue> parse_digest(Bytes value) {
  if (value.size() != kDigestSize || value[0] != kDigestMark) {
    return Error{Code::kCorrupt, "a digest: not in the form of one"};
  }
  DigestValue parsed;
  parsed.key_version = load_le<uint16_t>(value.data() + 1);
  if (parsed.key_version == 0) return Error{Code::kCorrupt, "a digest: key version 0"};
  std::memcpy(parsed.digest.data(), value.data() + 3, parsed.digest.size());
  return parsed;
}

std::array<uint8_t, kDigestSize> digest_bytes(const DigestValue& value) {
  std::array<uint8_t, kDigestSize> bytes;
  bytes[0] = kDigestMark;
  store_le(bytes.data() + 1, value.key_version);
  std::memcpy(bytes.data() + 3, value.digest.data(), value.digest.size());
  return bytes;
}

Result<size_t> unpadded_size(Bytes padded) {
  size_t size = padded.size();
  while (size > 0 && padded[size - 1] == 0) --size;
  if (size == 0 || padded[size - 1] != 0x80 || padded_size(size - 1) != padded.size()) {
    return Error{Code::kCorrupt, "a sealed value: not padded as sealers pad"};
  }
  return size - 1;
}

}  // namespace khipu::protect
