#include "engine/tree/note.h"

#include <algorithm>

#include "engine/base/utf8.h"
#include "engine/crypto/hash.h"

namespace khipu::tree {

static constexpr std::string_view kSignatureStart = "\xe2\x80\x94 ";  // em dash, space

static Error bad_note(const char* what) { return {Code::kCorrupt, std::string("note: ") + what}; }

// A length of 0 to 3: how many bytes of the front are one Unicode space beyond ASCII (property White_Space).
static size_t wide_space(std::string_view text) {
  static constexpr std::string_view kSpaces[] = {"\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\xa8",
                                                 "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};
  for (const std::string_view space : kSpaces) {
    if (text.starts_with(space)) return space.size();
  }
  const bool quad = text.starts_with("\xe2\x80") && text.size() > 2;  // U+2000 to U+200A
  return quad && static_cast<uint8_t>(text[2]) >= 0x80 && static_cast<uint8_t>(text[2]) <= 0x8a ? 3 : 0;
}

bool valid_key_name(std::string_view name) {
  if (name.empty() || !valid_utf8(as_bytes(name))) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    const auto byte = static_cast<uint8_t>(name[i]);
    if (byte <= 0x20 || byte == 0x7f || byte == '+' || wide_space(name.substr(i)) > 0) return false;
  }
  return true;
}

static bool valid_text(std::string_view text) {
  if (text.empty() || text.back() != '\n' || !valid_utf8(as_bytes(text))) return false;
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x20 && c != '\n'; });
}

KeyId key_id(std::string_view name, KeyType type, const crypto::PublicKey& key) {
  const std::array<uint8_t, 2> middle = {'\n', static_cast<uint8_t>(type)};
  const Hash hash = crypto::sha256(as_bytes(name), middle, key);
  KeyId id;
  std::copy_n(hash.begin(), id.size(), id.begin());
  return id;
}

Result<VerifierKey> VerifierKey::parse(std::string_view text) {
  const auto invalid = [](const char* what) { return Error{Code::kInvalid, std::string("verifier key: ") + what}; };
  const size_t first = text.find('+');
  const size_t second = first == text.npos ? first : text.find('+', first + 1);
  if (second == text.npos) return invalid("expected name+hash+key");
  const std::string_view hash = text.substr(first + 1, second - first - 1);
  const std::optional<Buffer> encoded = from_base64(text.substr(second + 1));
  if (!encoded || encoded->empty()) return invalid("the key is not base64");
  VerifierKey key;
  key.name = text.substr(0, first);
  if (!valid_key_name(key.name)) return invalid("malformed name");
  key.type = static_cast<KeyType>(encoded->front());
  if (key.type != KeyType::kEd25519 && key.type != KeyType::kCosignature) {
    return Error{Code::kUnsupported, "verifier key: a key type other than Ed25519 (1) and cosignature (4)"};
  }
  if (encoded->size() != 1 + key.key.size()) return invalid("the key is not 32 bytes long");
  std::copy(encoded->begin() + 1, encoded->end(), key.key.begin());
  if (hash != hex(key.id())) return invalid("the hash is not the one of this name and key");
  return key;
}

std::string VerifierKey::text() const {
  Buffer encoded = {static_cast<uint8_t>(type)};
  append(encoded, key);
  return name + "+" + hex(id()) + "+" + base64(encoded);
}

static Result<NoteSignature> parse_signature(std::string_view line) {
  if (!line.starts_with(kSignatureStart))
    return bad_note("a signature line does not start with an em dash and a space");
  line.remove_prefix(kSignatureStart.size());
  const size_t space = line.find(' ');
  if (space == line.npos) return bad_note("a signature line without a signature");
  NoteSignature signature;
  signature.name = line.substr(0, space);
  if (!valid_key_name(signature.name)) return bad_note("a signature line with a malformed key name");
  const std::optional<Buffer> bytes = from_base64(line.substr(space + 1));
  if (!bytes) return bad_note("a signature that is not base64");
  if (bytes->size() <= signature.id.size()) return bad_note("a signature with nothing after the key id");
  const auto id_end = bytes->begin() + static_cast<ptrdiff_t>(signature.id.size());
  std::copy(bytes->begin(), id_end, signature.id.begin());
  signature.signature.assign(id_end, bytes->end());
  return signature;
}

Result<Note> parse_note(std::string_view note) {
  if (note.size() > kNoteSizeMax) return bad_note("over 1 MiB");
  const size_t empty_line = note.rfind("\n\n");
  if (empty_line == note.npos) return bad_note("no empty line between text and signatures");
  Note parsed;
  parsed.text = note.substr(0, empty_line + 1);
  if (!valid_text(parsed.text)) return bad_note("the text is not UTF-8 or has control characters");
  std::string_view rest = note.substr(empty_line + 2);
  if (rest.empty() || rest.back() != '\n') return bad_note("no signature, or the last line does not end");
  while (!rest.empty()) {
    if (parsed.signatures.size() == kNoteSignatureCountMax) return bad_note("over 100 signatures");
    const size_t end = rest.find('\n');
    KHIPU_TRY_ASSIGN(NoteSignature signature, parse_signature(rest.substr(0, end)));
    parsed.signatures.push_back(std::move(signature));
    rest.remove_prefix(end + 1);
  }
  return parsed;
}

std::string format_note(const Note& note) {
  std::string text = note.text + "\n";
  for (const NoteSignature& signature : note.signatures) {
    Buffer bytes(signature.id.begin(), signature.id.end());
    append(bytes, signature.signature);
    text.append(kSignatureStart).append(signature.name).append(" ").append(base64(bytes)).append("\n");
  }
  return text;
}

void sign_note(Note& note, std::string_view name, const crypto::SigningKey& key) {
  KHIPU_ASSERT(valid_text(note.text) && valid_key_name(name));
  const crypto::Signature signature = key.sign(as_bytes(note.text));
  note.signatures.push_back({std::string(name), key_id(name, KeyType::kEd25519, key.public_key()),
                             Buffer(signature.begin(), signature.end())});
}

// A cosignature is u64 time, big-endian | Ed25519 over a header with that time and the text.
static std::optional<uint64_t> cosignature_time(const std::string& text, const VerifierKey& key, Bytes signature) {
  if (signature.size() != 8 + crypto::kSignatureSize) return std::nullopt;
  const uint64_t time_s = load_be<uint64_t>(signature.data());
  if (time_s > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
  const std::string message = "cosignature/v1\ntime " + std::to_string(time_s) + "\n" + text;
  if (!crypto::verify(key.key, signature.subspan(8), as_bytes(message))) return std::nullopt;
  return time_s;
}

VerifiedNote verify_note(const Note& note, const std::vector<VerifierKey>& keys) {
  VerifiedNote verified;
  for (const NoteSignature& signature : note.signatures) {
    const auto key = std::find_if(keys.begin(), keys.end(), [&](const VerifierKey& candidate) {
      return candidate.name == signature.name && candidate.id() == signature.id;
    });
    if (key == keys.end()) continue;
    VerifiedNote::By by = {key->name, key->type, std::nullopt};
    bool right = false;
    if (key->type == KeyType::kEd25519) {
      right = crypto::verify(key->key, signature.signature, as_bytes(note.text));
    } else {
      by.time_s = cosignature_time(note.text, *key, signature.signature);
      right = by.time_s.has_value();
    }
    if (!right) {
      verified.forged = true;
      continue;
    }
    verified.by.push_back(std::move(by));
  }
  return verified;
}

}  // namespace khipu::tree
