// The keys of the three roles that protected fields know, as they lie in a directory of key files (crypto/key_file.h).
//
//   writer   recipient-NAME-V.pub ...  token-day.key  fingerprint.key  digest-V.key ...     writes, reads nothing
//   search   token-root-V.key ...      digest-V.key ...                                     finds, reads nothing
//   decrypt  decrypt-NAME-V.key ...                                                         reads
//
// A directory may hold the files of several roles. Not here: the signing key (engine/writer), what keys are used for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/crypto/key_file.h"
#include "engine/os/file.h"

namespace khipu::protect {

inline constexpr std::string_view kTokenDayFileName = "token-day.key";
inline constexpr std::string_view kFingerprintFileName = "fingerprint.key";
// "digest-1.key", "token-root-1.key", "recipient-auditors-1.pub", "decrypt-auditors-1.key"
std::string key_file_name(crypto::KeyKind kind, std::string_view name, uint32_t version);

// The kind such a name stands for; nullopt for the names of other rooms ("state", "signing.key").
std::optional<crypto::KeyKind> kind_of_file(std::string_view file_name);

struct WriterRing {
  std::vector<crypto::Key> recipients;  // the newest version of each name
  std::optional<crypto::Key> token_day;
  std::optional<crypto::Key> fingerprint;
  std::vector<crypto::Key> digests;  // ascending versions; the last one writes
  bool empty() const { return recipients.empty() && !token_day && !fingerprint && digests.empty(); }
};
struct SearchRing {
  std::vector<crypto::Key> token_roots;  // ascending versions
  std::vector<crypto::Key> digests;
  bool empty() const { return token_roots.empty() && digests.empty(); }
};
struct DecryptRing {
  std::vector<crypto::Key> keys;
  bool empty() const { return keys.empty(); }
};

// Role files are one log's: token roots and days, fingerprint and digest keys bear its origin as their name, as GENESIS
// has it. (Recipients and decrypt keys bear those of people: what they open says which log it is of.)
constexpr bool bears_origin(crypto::KeyKind kind) {
  return kind == crypto::KeyKind::kTokenRoot || kind == crypto::KeyKind::kTokenDay ||
         kind == crypto::KeyKind::kFingerprint || kind == crypto::KeyKind::kDigest;
}
// kConflict, with the file and both origins, for what another log's is. `folder`: where it came from.
Result<void> check_origin(const crypto::Key& key, const std::string& folder, std::string_view origin);
Result<void> check_origin(const WriterRing& ring, const std::string& folder, std::string_view origin);
Result<void> check_origin(const SearchRing& ring, const std::string& folder, std::string_view origin);

// What of the role is there; a file that is there and is not sound is an Error, never passed over.
Result<WriterRing> load_writer_ring(os::Directory& directory);
Result<SearchRing> load_search_ring(os::Directory& directory);
Result<DecryptRing> load_decrypt_ring(os::Directory& directory);

// The writer's key of the root's first day: what a writer gets of a token root.
Result<crypto::Key> first_token_day(const crypto::Key& token_root);

// Keys that came as text, one key file behind the other (--key-fd), sorted into rings. A key of another role is
// kForbidden: a reader is never given a writer's keys.
struct ReaderRings {
  SearchRing search;
  DecryptRing decrypt;
};
Result<ReaderRings> parse_reader_rings(Bytes text);
// All of an inherited descriptor, whose number comes as text. At most 64 KiB.
Result<crypto::SecretBytes> read_keys_from_descriptor(std::string_view number);

}  // namespace khipu::protect
