// Key files: one key as a short text that people can recognise, copy and back up, and that no program takes from a
// place where others could have read or changed it. Not here: what each key is for, rings of keys, passphrases.
//
//   khipu-key/v1
//   kind: signing
//   name: example.org/audit
//   version: 1
//   created: 2026-11-21T03:00:00.000000Z
//   key: KHIPU-SECRET-1 q83v...=
//   check: 1f2e3d4c
//
// Line by line:
//   1        the format; another version is kUnsupported
//   kind     signing (Ed25519 seed), index (key of keyed hashes: idempotency keys, cursors), verifier (Ed25519 public);
//            of protected fields (engine/protect/key_ring.h): recipient (X25519 public), decrypt (X25519 secret),
//            token-root, token-day (its day is `created`), fingerprint, digest
//   name     1 to 128 bytes of printable ASCII without space and '+': for a verifier the origin it speaks for
//   version  1 to 4294967295, decimal: the place in a ring of keys of one name
//   created  RFC 3339, UTC, six digits
//   key      32 bytes, base64; before a secret stands KHIPU-SECRET-1, so that a leaked one can be found with grep
//   check    the first 4 bytes of SHA-256 over all lines above, hex: catches a slip of the hand, proves nothing
//
// Valid if and only if: these seven lines in this order, each ended by one line feed, nothing after them, every value
// in the form above, and the check digits right. At most 1,024 bytes.
//
// Written once as NAME.new with O_EXCL, 0600 (public keys 0644), synced, renamed, directory synced. Opened with
// O_NOFOLLOW and judged by fstat: a regular file, owned by this user or root, one link, and no right for group or
// others (verifier: none to write). There is no override.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/crypto/box.h"
#include "engine/crypto/secret.h"
#include "engine/crypto/signature.h"
#include "engine/os/file.h"

namespace khipu::crypto {

enum class KeyKind { kSigning, kIndex, kVerifier, kRecipient, kDecrypt, kTokenRoot, kTokenDay, kFingerprint, kDigest };
inline constexpr KeyKind kKeyKinds[] = {KeyKind::kSigning,   KeyKind::kIndex,       KeyKind::kVerifier,
                                        KeyKind::kRecipient, KeyKind::kDecrypt,     KeyKind::kTokenRoot,
                                        KeyKind::kTokenDay,  KeyKind::kFingerprint, KeyKind::kDigest};
std::string_view key_kind_name(KeyKind kind);  // "signing", "index", ...
constexpr bool is_secret(KeyKind kind) { return kind != KeyKind::kVerifier && kind != KeyKind::kRecipient; }

inline constexpr size_t kKeySize = 32;
inline constexpr size_t kKeyFileSizeBytesMax = 1024;

// The files of ROOT.keys/ that `khipu init` makes.
inline constexpr std::string_view kSigningKeyFileName = "signing.key";
inline constexpr std::string_view kIndexKeyFileName = "index.key";
inline constexpr std::string_view kVerifierKeyFileName = "verifier.pub";

struct Key {
  KeyKind kind = KeyKind::kVerifier;
  std::string name;
  uint32_t version = 1;
  TimeUs created = 0;
  SecretBytes bytes;  // kKeySize; in locked memory for public keys as well, to have one type
};

// A fresh random key of a secret kind, and the public half of a signing key.
Key generate_key(KeyKind kind, std::string name, TimeUs now);
Result<Key> verifier_of(const Key& signing);
Result<Key> recipient_of(const Key& decrypt);
Result<BoxKeyPair> box_key_pair(const Key& decrypt);        // kInvalid for another kind
Result<BoxPublicKey> box_public_key(const Key& recipient);  // kInvalid for another kind
Result<SigningKey> signing_key(const Key& key);             // kInvalid for another kind
Result<PublicKey> public_key(const Key& key);               // of a verifier; kInvalid for another kind

// The text and back. Errors name the line and what would be right, and never quote the key.
Result<SecretBytes> print_key(const Key& key);  // kInvalid when a value has no form: a name with a space
Result<Key> parse_key(Bytes text);

// kConflict when the file exists: a key is never overwritten.
Result<void> create_key_file(os::Directory& directory, std::string_view file_name, const Key& key);
// kForbidden with the bit named when others could have touched the file; kCorrupt when the text is not valid; kInvalid
// when it holds a key of another kind.
Result<Key> open_key_file(os::Directory& directory, std::string_view file_name, KeyKind kind);

// The judgement alone: kForbidden says which rule is broken and the command that repairs it.
Result<void> check_key_file_status(const os::FileStatus& status, KeyKind kind, uint32_t user_id);

}  // namespace khipu::crypto
