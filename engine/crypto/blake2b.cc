// The libsodium half of hash.h.
#include <sodium.h>

#include "engine/base/assert.h"
#include "engine/crypto/hash.h"
#include "engine/crypto/secret.h"

namespace khipu::crypto {

static constexpr size_t kFramedSizeMax = 512;

static void update_framed(crypto_generichash_state& state, Bytes part) {
  std::array<uint8_t, 8> length;
  store_le<uint64_t>(length.data(), part.size());
  crypto_generichash_update(&state, length.data(), length.size());
  crypto_generichash_update(&state, part.data(), part.size());
}

// Short ones, which is nearly all of them, in one call: the ten that it takes piece by piece cost as much as the hash.
static Hash blake2b_framed(Bytes key, std::string_view label, std::initializer_list<Bytes> parts, size_t size) {
  std::array<uint8_t, kFramedSizeMax> framed;
  uint8_t* to = framed.data();
  const auto add = [&to](Bytes part) {
    store_le<uint64_t>(to, part.size());
    if (!part.empty()) std::memcpy(to + 8, part.data(), part.size());
    to += 8 + part.size();
  };
  add(as_bytes(label));
  for (const Bytes part : parts) add(part);
  Hash hash;
  const int failed = crypto_generichash_blake2b(hash.data(), hash.size(), framed.data(), size, key.data(), key.size());
  KHIPU_ASSERT(failed == 0);
  sodium_memzero(framed.data(), size);
  return hash;
}

Hash blake2b_keyed(Bytes key, std::string_view label, std::initializer_list<Bytes> parts) {
  KHIPU_ASSERT(key.size() == 32);
  init();
  size_t size = 8 + label.size();
  for (const Bytes part : parts) size += 8 + part.size();
  if (size <= kFramedSizeMax) return blake2b_framed(key, label, parts, size);
  crypto_generichash_state state;
  Hash hash;
  crypto_generichash_init(&state, key.data(), key.size(), hash.size());
  update_framed(state, as_bytes(label));
  for (const Bytes part : parts) update_framed(state, part);
  crypto_generichash_final(&state, hash.data(), hash.size());
  sodium_memzero(&state, sizeof state);
  return hash;
}

Buffer blake2b(Bytes key, Bytes message, size_t size) {
  KHIPU_ASSERT(size >= 1 && size <= 64 && key.size() <= 64);
  init();
  Buffer hash(size);
  const int failed = crypto_generichash_blake2b(hash.data(), hash.size(), message.data(), message.size(),
                                                key.empty() ? nullptr : key.data(), key.size());
  KHIPU_ASSERT(failed == 0);
  return hash;
}

bool equal_constant_time(Bytes left, Bytes right) {
  return left.size() == right.size() && sodium_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace khipu::crypto
