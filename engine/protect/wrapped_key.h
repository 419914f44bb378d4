// Files in ROOT/keys: a data key of a session, or the private half of a data subject's pair, sealed to those who may
// read. Bytes: engine/FORMAT.md "keys/". Not here: which of them count (key_log.h), who uses them (sealer.h, opener.h).
//
// NUMBER is drawn from one sequence for both kinds and never used twice; GENERATION goes up when the same key is sealed
// to other recipients. `data-0000000012-1.key`, `subject-0000000013-1.key`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/crypto/box.h"
#include "engine/crypto/secret.h"
#include "engine/os/file.h"

namespace khipu::protect {

// kParked: of DLQ entries; such a key stands in the DLQ file and is no file in keys/ (parked.h).
enum class WrappedKind : uint8_t { kData = 1, kSubject = 2, kParked = 3 };

struct WrappedName {
  WrappedKind kind = WrappedKind::kData;
  uint32_t number = 0;
  uint32_t generation = 1;
  std::string text() const;
  static std::optional<WrappedName> parse(std::string_view file_name);
  bool operator==(const WrappedName&) const = default;
};

// Whose data a value is. Owned: files and maps keep it.
struct SubjectName {
  std::string type, id;
  auto operator<=>(const SubjectName&) const = default;
};

struct Recipient {
  std::string name;  // of the recipient key; "subject" when sealed to a subject's pair
  uint32_t version = 1;
  crypto::BoxPublicKey key{};
};
// BLAKE2b-256 over the sorted set.
Hash recipients_hash(std::vector<Recipient> recipients);

inline constexpr size_t kWrappedSecretSize = 64;  // secret | SHA-256(context)
inline constexpr size_t kWrappedBoxSize = kWrappedSecretSize + crypto::kBoxOverhead;
inline constexpr size_t kWrappedFileSizeBytesMax = 64U << 10;
inline constexpr size_t kRecipientsMax = 64;

struct WrappedKey {
  RootId root{};
  WrappedName name;
  uint16_t ring = 0;            // greatest version among the recipients when it was made
  uint32_t subject_number = 0;  // data key of a subject: the number of its pair; else 0
  TimeUs created = 0;
  SubjectName subject;                // of both kinds, where there is one
  crypto::BoxPublicKey public_key{};  // kSubject: what is sealed to this person is sealed to it
  Hash commitment{};
  struct Copy {
    Recipient recipient;
    std::array<uint8_t, kWrappedBoxSize> box{};
  };
  std::vector<Copy> copies;

  // What the key is for, in one encoding: inside each sealed copy as its hash, and in the commitment.
  Buffer context() const;
  // BLAKE2b(secret, label | context). Poly1305 does not commit to a key: this does.
  Hash commit(Bytes secret) const;
  // Fills commitment and copies. kInvalid for a recipient whose key no pair has.
  Result<void> wrap(const crypto::SecretBytes& secret, const std::vector<Recipient>& recipients);
  // The secret: kForbidden when none of the copies is for this key, kCorrupt when what opens is not what was meant.
  Result<crypto::SecretBytes> unwrap(const crypto::BoxKeyPair& key) const;
};
Buffer encode_wrapped(const WrappedKey& key);
Result<WrappedKey> parse_wrapped(Bytes file);
// kInvalid when nobody can have that name: no type or id, or thousands of bytes of it.
Result<void> check_subject(const SubjectName& subject);

// Reads the file and holds it against its KEY statement: kCorrupt when it is not what that says. Opens nothing.
Result<WrappedKey> read_wrapped(os::Directory& wrapped, const RootId& root, const WrappedName& name, const Hash& sha256,
                                const Hash& commitment);
// A new file, synced, and the directory synced: whole before a statement names it. Its SHA-256.
Result<Hash> write_wrapped(os::Directory& wrapped, const WrappedKey& key);

}  // namespace khipu::protect
