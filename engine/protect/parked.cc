#include "engine/protect/parked.h"

#include <algorithm>
#include <charconv>

#include "engine/crypto/aead.h"
#include "engine/protect/derive.h"

namespace khipu::protect {
namespace {

constexpr FieldName kEntry{kParkedType, "entry"};

Result<void> associated(const RootId& root, const Uid& uid, const ParkedPlace& place, uint16_t ring, uint32_t number,
                        Buffer& to) {
  const std::string id = hex(place);
  return associated_data({root, kEntry, id, codec::ValueKind::kText, uid}, ring, number, to);
}

crypto::SecretBytes key_for_entries(Bytes secret) {
  Hash derived = field_key(secret, kEntry);
  crypto::SecretBytes key = crypto::SecretBytes::copy_of(derived);
  crypto::wipe(derived);
  return key;
}

}  // namespace

Result<std::unique_ptr<ParkedSealer>> ParkedSealer::make(const RootId& root, const std::vector<Recipient>& recipients,
                                                         TimeUs now) {
  if (recipients.empty()) {
    return Error{Code::kForbidden,
                 "what cannot be written holds protected fields, and there is nobody to seal it for: no recipient key "
                 "is among the writer's keys and none is in meta/ yet; `khipu keys init` makes one"};
  }
  if (recipients.size() > kRecipientsMax) return Error{Code::kLimit, "more than 64 recipient keys"};
  std::unique_ptr<ParkedSealer> sealer(new ParkedSealer());
  WrappedKey& key = sealer->key_;
  key.root = root;
  key.name.kind = WrappedKind::kParked;
  std::array<uint8_t, 4> number{};
  while (key.name.number == 0) {  // drawn: it tells one run's key from another's in the associated data, and no more
    crypto::random_fill(number);
    key.name.number = load_le<uint32_t>(number.data());
  }
  key.created = now;
  for (const Recipient& recipient : recipients) {
    key.ring = std::max(key.ring, static_cast<uint16_t>(recipient.version));
  }
  const crypto::SecretBytes secret = crypto::SecretBytes::random(32);
  KHIPU_TRY(key.wrap(secret, recipients));
  sealer->field_key_ = key_for_entries(secret.bytes());
  return sealer;
}

Result<Buffer> ParkedSealer::seal(const ParkedPlace& place, Bytes line) {
  if (line.size() > kPlaintextSizeMax) return Error{Code::kLimit, "a sealed line is at most 64 MiB"};
  Buffer aad;
  Uid uid;
  crypto::random_fill(uid);
  KHIPU_TRY(associated(key_.root, uid, place, key_.ring, key_.name.number, aad));
  const size_t padded = padded_size(line.size());
  Buffer sealed(uid.size() + sealed_size(padded));
  uint8_t* out = sealed.data();
  std::copy(uid.begin(), uid.end(), out);
  out += uid.size();
  out[0] = kSealedMark;
  store_le(out + 1, key_.ring);
  store_le(out + 3, key_.name.number);
  crypto::random_fill({out + 7, kNonceSize});
  uint8_t* text = out + kSealedHeadSize;
  std::copy(line.begin(), line.end(), text);
  text[line.size()] = 0x80;
  crypto::aead_seal(field_key_.bytes(), {out + 7, kNonceSize}, aad, {text, padded}, {text, padded + kTagSize});
  return sealed;
}

Result<std::unique_ptr<ParkedOpener>> ParkedOpener::make(const RootId& root, DecryptRing ring) {
  std::unique_ptr<ParkedOpener> opener(new ParkedOpener());
  opener->root_ = root;
  for (const crypto::Key& key : ring.keys) {
    KHIPU_TRY_ASSIGN(crypto::BoxKeyPair pair, crypto::box_key_pair(key));
    opener->pairs_.push_back(std::move(pair));
  }
  return opener;
}

Result<Plaintext> ParkedOpener::open(Bytes wrapped, const ParkedPlace& place, Bytes sealed) {
  const Error changed{Code::kCorrupt, "a sealed entry does not open in this place: it was changed or moved"};
  const Hash of = crypto::sha256(wrapped);
  if (field_key_.empty() || of != of_) {
    KHIPU_TRY_ASSIGN(const WrappedKey key, parse_wrapped(wrapped));
    if (key.name.kind != WrappedKind::kParked || key.root != root_) return changed;
    Result<crypto::SecretBytes> secret = Error{Code::kForbidden, "no decrypt key is held that opens this entry"};
    for (const crypto::BoxKeyPair& pair : pairs_) {
      if (secret.ok() || secret.error().code != Code::kForbidden) break;
      Result<crypto::SecretBytes> opened = key.unwrap(pair);
      if (opened.ok() || opened.error().code != Code::kForbidden) secret = std::move(opened);
    }
    if (!secret.ok()) return std::move(secret).error();
    field_key_ = key_for_entries(secret->bytes());
    of_ = of;
    ring_ = key.ring;
    number_ = key.name.number;
  }
  Uid uid;
  if (sealed.size() < uid.size()) return changed;
  std::copy_n(sealed.begin(), uid.size(), uid.begin());
  KHIPU_TRY_ASSIGN(const SealedValue value, parse_sealed(sealed.subspan(uid.size())));
  if (value.ring != ring_ || value.key_number != number_) return changed;
  Buffer aad;
  KHIPU_TRY(associated(root_, uid, place, ring_, number_, aad));
  Plaintext plaintext;
  Buffer& text = plaintext.writable();
  text.resize(value.size_class());
  if (!crypto::aead_open(field_key_.bytes(), value.nonce, aad, value.ciphertext, text)) return changed;
  KHIPU_TRY_ASSIGN(const size_t size, unpadded_size(text));
  text.resize(size);  // what is cut off is padding
  return plaintext;
}

Result<std::optional<Buffer>> rewrap_parked(const RootId& root, Bytes wrapped, const DecryptRing& ring,
                                            const std::vector<Recipient>& recipients) {
  Result<WrappedKey> parsed = parse_wrapped(wrapped);
  if (!parsed.ok() || parsed->name.kind != WrappedKind::kParked || parsed->root != root) {
    return std::optional<Buffer>();
  }
  WrappedKey& key = *parsed;
  std::vector<Recipient> present;
  for (const WrappedKey::Copy& copy : key.copies) present.push_back(copy.recipient);
  if (recipients_hash(present) == recipients_hash(recipients)) return std::optional<Buffer>();
  for (const crypto::Key& held : ring.keys) {
    KHIPU_TRY_ASSIGN(const crypto::BoxKeyPair pair, crypto::box_key_pair(held));
    Result<crypto::SecretBytes> secret = key.unwrap(pair);
    if (!secret.ok() && secret.error().code == Code::kForbidden) continue;
    if (!secret.ok()) return std::move(secret).error();
    const Hash commitment = key.commitment;
    KHIPU_TRY(key.wrap(*secret, recipients));
    KHIPU_ASSERT(key.commitment == commitment);
    return std::optional(encode_wrapped(key));
  }
  return Error{Code::kForbidden, "none of the decrypt keys handed in opens it"};
}

Result<void> check_parked(const RootId& root, Bytes wrapped, const DecryptRing& ring) {
  KHIPU_TRY_ASSIGN(const WrappedKey key, parse_wrapped(wrapped));
  if (key.name.kind != WrappedKind::kParked || key.root != root) {
    return Error{Code::kCorrupt, "not the key of a run of this root"};
  }
  for (const crypto::Key& held : ring.keys) {
    KHIPU_TRY_ASSIGN(const crypto::BoxKeyPair pair, crypto::box_key_pair(held));
    const Result<crypto::SecretBytes> secret = key.unwrap(pair);
    if (secret.ok()) return {};
    if (secret.error().code != Code::kForbidden) return secret.error();
  }
  return Error{Code::kForbidden, "none of the decrypt keys handed in opens it"};
}

std::vector<Recipient> newest_recipients(const std::map<std::string, crypto::BoxPublicKey, std::less<>>& stated) {
  std::map<std::string, Recipient> newest;
  for (const auto& [text, key] : stated) {
    const size_t slash = text.rfind('/');
    uint32_t version = 0;
    if (slash == std::string::npos) continue;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + slash + 1, end, version);
    if (error != std::errc() || stop != end || version == 0 || version > UINT16_MAX) continue;
    Recipient& recipient = newest[text.substr(0, slash)];
    if (version >= recipient.version) recipient = {text.substr(0, slash), version, key};
  }
  std::vector<Recipient> list;
  for (auto& [name, recipient] : newest) list.push_back(std::move(recipient));
  return list;
}

}  // namespace khipu::protect
