// Keyed BLAKE2b-256 (RFC 7693) of many short messages under one key: the same hashes as blake2b_keyed() gives one by
// one. The block that holds the key is compressed once for all of them, and four messages go side by side where the
// processor has AVX2; libsodium has neither. For the tokens of a value, of which an n-gram index has one a character.
// Not here: long messages, which take blake2b_keyed().
#pragma once

#include <span>
#include <string_view>

#include "engine/crypto/hash.h"

namespace khipu::crypto {

// out[i] = blake2b_keyed(key, label, {parts[i]}). As many as there are parts.
void blake2b_keyed_each(Bytes key, std::string_view label, std::span<const std::string_view> parts,
                        std::span<Hash> out);

}  // namespace khipu::crypto
