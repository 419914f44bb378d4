// A key file under a passphrase: for decrypt keys that lie on a stick or in a safe. Not here: plain key files
// (key_file.h), where a passphrase comes from (engine/cli).
//
//   khipu-locked-key/v1
//   kdf: argon2id 3 262144 q83v...==
//   box: KHIPU-LOCKED-1 AAEC...=
//
// kdf: Argon2id (version 1.3, one lane) with passes, memory in KiB, salt of 16 bytes; the key is its 32 bytes. box:
// base64 of nonce 24 | XChaCha20-Poly1305 of the whole khipu-key/v1 text, the two lines above as associated data. Valid
// if and only if: these three lines in this order, each ended by one line feed, nothing after them; passes 1 to 10,
// memory 8,192 to 1,048,576 KiB, decimal without leading zeroes, so that a file from outside costs a second and a GiB
// at most; at most 4,096 bytes.
#pragma once

#include "engine/crypto/key_file.h"

namespace khipu::crypto {

inline constexpr size_t kLockedKeySizeBytesMax = 4096;
inline constexpr size_t kPassphraseSizeMin = 12;
inline constexpr size_t kPassphraseSizeMax = 1024;

struct LockCost {
  uint32_t passes = 3;
  uint32_t memory_kib = 262'144;
};
inline constexpr LockCost kLockCostMin{1, 8'192};
inline constexpr LockCost kLockCostMax{10, 1'048'576};

// kInvalid for a passphrase of another length than 12 to 1,024 bytes or a cost out of bounds; kLimit when the memory is
// not to be had.
Result<SecretBytes> lock_key(const Key& key, Bytes passphrase, LockCost cost = {});
// The khipu-key/v1 text. kCorrupt when it is not in the form, kForbidden when the passphrase is another or a byte was
// changed: nobody can tell the two apart.
Result<SecretBytes> unlock_key(Bytes text, Bytes passphrase);

}  // namespace khipu::crypto
