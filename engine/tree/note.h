// C2SP signed notes (c2sp.org/signed-note): text, then lines with signatures over it, and the verifier keys to check
// them. Key types: Ed25519 (0x01) and the cosignatures of witnesses (0x04, c2sp.org/tlog-cosignature). Not here: what a
// text says (checkpoint.h) and where keys are kept (engine/crypto).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/crypto/signature.h"

namespace khipu::tree {

inline constexpr size_t kNoteSizeMax = 1U << 20;
inline constexpr size_t kNoteSignatureCountMax = 100;

using KeyId = std::array<uint8_t, 4>;
enum class KeyType : uint8_t { kEd25519 = 1, kCosignature = 4 };

// First four bytes of SHA-256(name | 0x0a | type | public key).
KeyId key_id(std::string_view name, KeyType type, const crypto::PublicKey& key);
// Not empty, valid UTF-8, no spaces of any kind, no control characters, no '+'.
bool valid_key_name(std::string_view name);

// A verifier key as people hand it out: "name+hash of 8 hex digits+base64(type, key)".
struct VerifierKey {
  std::string name;
  KeyType type = KeyType::kEd25519;
  crypto::PublicKey key{};

  // kInvalid: malformed, or the hash is not the key's; kUnsupported: a key of another type. Capitals in the hash are
  // refused (one key, one text). A point of small order is a key like any other here, but nothing verifies under it.
  static Result<VerifierKey> parse(std::string_view text);
  std::string text() const;
  KeyId id() const { return key_id(name, type, key); }
  bool operator==(const VerifierKey&) const = default;
};

struct NoteSignature {
  std::string name;
  KeyId id{};
  Buffer signature;  // what follows the id
};

struct Note {
  std::string text;  // ends with a newline
  std::vector<NoteSignature> signatures;
};
// kCorrupt when malformed: everything up to the last empty line is text, every line after it must be a signature.
Result<Note> parse_note(std::string_view note);
std::string format_note(const Note& note);
// Signs with an Ed25519 key and appends the signature. The text must be fit for a note.
void sign_note(Note& note, std::string_view name, const crypto::SigningKey& key);

// Who signed. Signatures by unknown keys are passed over; one by a known key that does not verify spoils the note.
struct VerifiedNote {
  struct By {
    std::string name;
    KeyType type = KeyType::kEd25519;
    std::optional<uint64_t> time_s;  // of a cosignature
  };
  std::vector<By> by;
  bool forged = false;
  bool accepted() const { return !forged && !by.empty(); }
};
VerifiedNote verify_note(const Note& note, const std::vector<VerifierKey>& keys);

}  // namespace khipu::tree
