// Every key derivation of protected fields, in one place: both sides of each must agree. Keyed BLAKE2b over labelled,
// length-prefixed parts (crypto/hash.h). Labels and parts: engine/FORMAT.md "Derived keys". Internal to this room.
#pragma once

#include <algorithm>

#include "engine/crypto/hash.h"
#include "engine/protect/field.h"
#include "engine/protect/transform.h"
#include "engine/protect/value.h"

namespace khipu::protect {

inline constexpr int64_t kDayUs = 86400LL * 1000 * 1000;

inline Hash field_key(Bytes data_key, const FieldName& name) {
  return crypto::blake2b_keyed(data_key, "field", {as_bytes(name.type), as_bytes(name.field)});
}

// The chain of token keys: one step a day, and no way back.
inline Hash first_day_key(Bytes token_root, uint32_t day) {
  std::array<uint8_t, 4> number;
  store_le(number.data(), day);
  return crypto::blake2b_keyed(token_root, "token-first-day", {number});
}
inline Hash next_day_key(Bytes day_key, uint32_t day) {
  std::array<uint8_t, 4> number;
  store_le(number.data(), day);
  return crypto::blake2b_keyed(day_key, "token-day", {number});
}
inline Hash index_key(Bytes day_key, const FieldName& name, const IndexRule& rule) {
  std::array<uint8_t, 5> index;
  index[0] = static_cast<uint8_t>(rule.index);
  store_le(index.data() + 1, rule.size);
  return crypto::blake2b_keyed(day_key, "token-index", {as_bytes(name.type), as_bytes(name.field), index});
}
template <size_t N>
std::array<uint8_t, N> cut(const Hash& hash) {
  std::array<uint8_t, N> front;
  std::copy_n(hash.begin(), N, front.begin());
  return front;
}
inline Token token_of(Bytes index_key, std::string_view term) {
  return cut<kTokenSize>(crypto::blake2b_keyed(index_key, "token", {as_bytes(term)}));
}

inline Hash fingerprint_key(Bytes key, const FieldName& name) {
  return crypto::blake2b_keyed(key, "fingerprint-field", {as_bytes(name.type), as_bytes(name.field)});
}
inline Fingerprint fingerprint_of(Bytes field_key, std::string_view entity_id, codec::ValueKind kind, Bytes value) {
  const std::array<uint8_t, 1> kind_byte = {static_cast<uint8_t>(kind)};
  return cut<8>(crypto::blake2b_keyed(field_key, "fingerprint", {as_bytes(entity_id), kind_byte, value}));
}
inline Hash digest_key(Bytes key, const FieldName& name) {
  return crypto::blake2b_keyed(key, "digest-field", {as_bytes(name.type), as_bytes(name.field)});
}
inline Hash digest_of(Bytes field_key, codec::ValueKind kind, Bytes value) {
  const std::array<uint8_t, 1> kind_byte = {static_cast<uint8_t>(kind)};
  return crypto::blake2b_keyed(field_key, "digest", {kind_byte, value});
}

}  // namespace khipu::protect
