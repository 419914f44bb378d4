#include "engine/protect/wrapped_key.h"

#include <algorithm>
#include <charconv>

#include "engine/codec/frame.h"
#include "engine/crypto/hash.h"

namespace khipu::protect {
namespace {

constexpr std::string_view kMagic = "KHIPUWK1";
constexpr size_t kRecipientNameSizeMax = 128;  // as crypto/key_file.h has it
constexpr size_t kSubjectNameSizeMax = 4096;
constexpr std::string_view kSuffix = ".key";
constexpr size_t kNumberDigits = 10;

std::string_view prefix_of(WrappedKind kind) {
  switch (kind) {
    case WrappedKind::kData: return "data-";
    case WrappedKind::kSubject: return "subject-";
    case WrappedKind::kParked: break;
  }
  return "parked-";
}

const char* commit_label(WrappedKind kind) {
  switch (kind) {
    case WrappedKind::kData: return "dek-commit";
    case WrappedKind::kSubject: return "subject-commit";
    case WrappedKind::kParked: break;
  }
  return "parked-commit";
}

void append_short(Buffer& to, std::string_view text) {
  KHIPU_ASSERT(text.size() <= UINT16_MAX);
  append_le(to, static_cast<uint16_t>(text.size()));
  append(to, as_bytes(text));
}

bool by_name(const Recipient& a, const Recipient& b) {
  return std::pair(std::string_view(a.name), a.version) < std::pair(std::string_view(b.name), b.version);
}

Error bad(const char* why) { return Error{Code::kCorrupt, std::string("wrapped key: ") + why}; }

// Decimal without sign or leading zeroes but for the fixed width.
std::optional<uint32_t> number_of(std::string_view digits) {
  uint32_t number = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (digits.empty() || failure != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

}  // namespace

std::string WrappedName::text() const {
  const std::string digits = std::to_string(number);
  return std::string(prefix_of(kind)) + std::string(kNumberDigits - digits.size(), '0') + digits + "-" +
         std::to_string(generation) + std::string(kSuffix);
}

std::optional<WrappedName> WrappedName::parse(std::string_view file_name) {
  for (const WrappedKind kind : {WrappedKind::kData, WrappedKind::kSubject}) {
    std::string_view rest = file_name;
    const std::string_view prefix = prefix_of(kind);
    if (!rest.starts_with(prefix) || !rest.ends_with(kSuffix)) continue;
    rest.remove_prefix(prefix.size());
    rest.remove_suffix(std::min(rest.size(), kSuffix.size()));
    const size_t dash = rest.find('-');
    if (dash != kNumberDigits) return std::nullopt;
    const auto number = number_of(rest.substr(0, dash));
    const auto generation = number_of(rest.substr(dash + 1));
    if (!number || !generation || *number == 0 || *generation == 0) return std::nullopt;
    const WrappedName name{kind, *number, *generation};
    if (name.text() != file_name) return std::nullopt;  // one name, one text
    return name;
  }
  return std::nullopt;
}

Hash recipients_hash(std::vector<Recipient> recipients) {
  std::sort(recipients.begin(), recipients.end(), by_name);
  Buffer bytes;
  for (const Recipient& recipient : recipients) {
    append_short(bytes, recipient.name);
    append_le(bytes, recipient.version);
    append(bytes, recipient.key);
  }
  // No secret: the key is there because every BLAKE2b of ours has one.
  static constexpr std::array<uint8_t, 32> kNoKey{};
  return crypto::blake2b_keyed(kNoKey, "recipients", {bytes});
}

Buffer WrappedKey::context() const {
  Buffer bytes;
  append(bytes, as_bytes("khipu-wrapped-v1"));
  append(bytes, root);
  bytes.push_back(static_cast<uint8_t>(name.kind));
  append_le(bytes, name.number);
  append_le(bytes, ring);
  append_le(bytes, subject_number);
  append_short(bytes, subject.type);
  append_short(bytes, subject.id);
  append(bytes, public_key);
  return bytes;
}

Hash WrappedKey::commit(Bytes secret) const {
  return crypto::blake2b_keyed(secret, commit_label(name.kind), {context()});
}

Result<void> WrappedKey::wrap(const crypto::SecretBytes& secret, const std::vector<Recipient>& recipients) {
  KHIPU_ASSERT(secret.size() == 32 && !recipients.empty() && recipients.size() <= kRecipientsMax);
  commitment = commit(secret.bytes());
  crypto::SecretBytes inside(kWrappedSecretSize);
  std::copy_n(secret.bytes().begin(), 32, inside.writable().begin());
  const Hash bound = crypto::sha256(context());
  std::copy(bound.begin(), bound.end(), inside.writable().begin() + 32);
  copies.clear();
  for (const Recipient& recipient : recipients) {
    Copy& copy = copies.emplace_back();
    copy.recipient = recipient;
    KHIPU_TRY(at("recipient " + recipient.name, crypto::box_seal(recipient.key, inside.bytes(), copy.box)));
  }
  std::sort(copies.begin(), copies.end(),
            [](const Copy& a, const Copy& b) { return by_name(a.recipient, b.recipient); });
  return {};
}

Result<crypto::SecretBytes> WrappedKey::unwrap(const crypto::BoxKeyPair& key) const {
  for (const Copy& copy : copies) {
    if (copy.recipient.key != key.public_key()) continue;
    KHIPU_TRY_ASSIGN(const crypto::SecretBytes inside, key.open(copy.box));
    const Hash bound = crypto::sha256(context());
    if (!crypto::equal_constant_time(inside.bytes().subspan(32), bound)) {
      return bad("the sealed copy was made for another place");
    }
    if (!crypto::equal_constant_time(commit(inside.bytes().first(32)), commitment)) {
      return bad("the key inside is not the one committed to");
    }
    return crypto::SecretBytes::copy_of(inside.bytes().first(32));
  }
  return Error{Code::kForbidden, "wrapped key: it is sealed to others"};
}

Buffer encode_wrapped(const WrappedKey& key) {
  KHIPU_ASSERT(!key.copies.empty() && key.copies.size() <= kRecipientsMax);
  Buffer bytes;
  append(bytes, as_bytes(kMagic));
  append(bytes, key.root);
  bytes.push_back(static_cast<uint8_t>(key.name.kind));
  bytes.push_back(0);
  append_le(bytes, key.ring);
  append_le(bytes, key.name.number);
  append_le(bytes, key.name.generation);
  append_le(bytes, key.subject_number);
  append_le(bytes, key.created);
  append(bytes, key.public_key);
  append(bytes, key.commitment);
  append_short(bytes, key.subject.type);
  append_short(bytes, key.subject.id);
  append_le(bytes, static_cast<uint16_t>(key.copies.size()));
  for (const WrappedKey::Copy& copy : key.copies) {
    append_short(bytes, copy.recipient.name);
    append_le(bytes, copy.recipient.version);
    append(bytes, copy.recipient.key);
    append(bytes, copy.box);
  }
  append_le(bytes, codec::crc32c(bytes));
  return bytes;
}

Result<WrappedKey> parse_wrapped(Bytes file) {
  if (file.size() > kWrappedFileSizeBytesMax) return bad("larger than 65536 bytes");
  if (file.size() < kMagic.size() + 4) return bad("too short");
  if (as_text(file.first(8)) != kMagic) {
    if (as_text(file.first(7)) == kMagic.substr(0, 7)) return Error{Code::kUnsupported, "wrapped key: another version"};
    return bad("not one");
  }
  const Bytes body = file.first(file.size() - 4);
  if (load_le<uint32_t>(file.data() + body.size()) != codec::crc32c(body)) return bad("checksum mismatch");
  Cursor cursor(body.subspan(kMagic.size()));
  const auto text = [&] { return std::string(as_text(cursor.take(cursor.get<uint16_t>()))); };
  WrappedKey key;
  key.root = cursor.array<16>();
  const uint8_t kind = cursor.get<uint8_t>();
  const uint8_t reserved = cursor.get<uint8_t>();
  key.ring = cursor.get<uint16_t>();
  key.name.number = cursor.get<uint32_t>();
  key.name.generation = cursor.get<uint32_t>();
  key.subject_number = cursor.get<uint32_t>();
  key.created = cursor.get<int64_t>();
  key.public_key = cursor.array<crypto::kBoxKeySize>();
  key.commitment = cursor.array<32>();
  key.subject.type = text();
  key.subject.id = text();
  const uint16_t copies = cursor.get<uint16_t>();
  if (cursor.failed() || copies == 0 || copies > kRecipientsMax) return bad("cut short, or no copies");
  for (uint16_t i = 0; i < copies; ++i) {
    WrappedKey::Copy& copy = key.copies.emplace_back();
    copy.recipient.name = text();
    copy.recipient.version = cursor.get<uint32_t>();
    copy.recipient.key = cursor.array<crypto::kBoxKeySize>();
    copy.box = cursor.array<kWrappedBoxSize>();
    if (cursor.failed()) return bad("cut short");
    if (copy.recipient.name.empty() || copy.recipient.name.size() > kRecipientNameSizeMax ||
        copy.recipient.version == 0 || (i > 0 && !by_name(key.copies[i - 1U].recipient, copy.recipient))) {
      return bad("recipients out of order, twice, or without a name");
    }
  }
  if (cursor.failed() || !cursor.rest().empty()) return bad("more than it says");
  if (kind < 1 || kind > 3) return bad("of no known kind");
  key.name.kind = static_cast<WrappedKind>(kind);
  const bool of_subject = key.name.kind == WrappedKind::kSubject || key.subject_number != 0;
  const bool has_public = key.public_key != crypto::BoxPublicKey{};
  if (reserved != 0 || key.name.number == 0 || key.name.generation == 0 || key.ring == 0 ||
      of_subject == key.subject.type.empty() || of_subject == key.subject.id.empty() ||
      has_public != (key.name.kind == WrappedKind::kSubject) ||
      (key.name.kind != WrappedKind::kData && key.subject_number != 0) ||
      (key.name.kind == WrappedKind::kParked && key.name.generation != 1) ||
      key.subject.type.size() > kSubjectNameSizeMax || key.subject.id.size() > kSubjectNameSizeMax) {
    return bad("its members do not fit each other");
  }
  return key;
}

Result<void> check_subject(const SubjectName& subject) {
  if (subject.type.empty() || subject.id.empty() || subject.type.size() > kSubjectNameSizeMax ||
      subject.id.size() > kSubjectNameSizeMax) {
    return Error{Code::kInvalid, "a data subject has a type and an id of at most 4096 bytes"};
  }
  return {};
}

Result<WrappedKey> read_wrapped(os::Directory& wrapped, const RootId& root, const WrappedName& name, const Hash& sha256,
                                const Hash& commitment) {
  KHIPU_TRY_ASSIGN(const auto file, wrapped.open_file(name.text(), os::Mode::kRead));
  KHIPU_TRY_ASSIGN(const Buffer bytes, file->read_all(kWrappedFileSizeBytesMax));
  const std::string where = "keys/" + name.text();
  if (crypto::sha256(bytes) != sha256) {
    return Error{Code::kCorrupt, where + ": not the file its KEY statement names: it was changed"};
  }
  KHIPU_TRY_ASSIGN(WrappedKey key, at(where, parse_wrapped(bytes)));
  if (key.root != root || key.name != name || key.commitment != commitment) {
    return Error{Code::kCorrupt, where + ": of another root, name or key than its KEY statement says"};
  }
  return key;
}

Result<Hash> write_wrapped(os::Directory& wrapped, const WrappedKey& key) {
  const Buffer bytes = encode_wrapped(key);
  KHIPU_TRY_ASSIGN(const auto file, wrapped.open_file(key.name.text(), os::Mode::kCreateNew));
  KHIPU_TRY(file->write_at(0, bytes));
  KHIPU_TRY(file->sync());
  KHIPU_TRY(wrapped.sync());
  return crypto::sha256(bytes);
}

}  // namespace khipu::protect
