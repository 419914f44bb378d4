#include "engine/protect/opener.h"

#include <mutex>
#include <unordered_map>

#include "engine/crypto/aead.h"
#include "engine/protect/derive.h"
#include "engine/protect/key_table.h"

namespace khipu::protect {
namespace {

// Keys kept in locked memory: 2 MiB. Above it they are all forgotten and taken again as they are needed.
constexpr size_t kKeysMax = 65536;

}  // namespace

Plaintext& Plaintext::operator=(Plaintext&& other) noexcept {
  crypto::wipe(bytes_);
  bytes_ = std::move(other.bytes_);
  other.bytes_.clear();
  return *this;
}
Plaintext::~Plaintext() { crypto::wipe(bytes_); }

struct Opener::State {
  std::mutex mutex;
  std::vector<crypto::BoxKeyPair> pairs;
  RootId root{};
  std::unique_ptr<os::Directory> wrapped;
  std::shared_ptr<const KeyLog> log;
  KeyTable keys;  // data keys and field keys, by name
  struct Taken {
    uint16_t ring = 0;
    uint32_t subject_number = 0;
  };
  std::unordered_map<uint32_t, Taken> taken;  // the data keys in `keys`
  Buffer associated;
  std::string key_text;

  Result<const KeyLog::File*> committed(uint32_t number, WrappedKind kind) const;
  Result<WrappedKey> read(const KeyLog::File& file) const;
  Result<crypto::SecretBytes> unwrap(const WrappedKey& key) const;
  Result<Bytes> field_key_of(uint32_t number, uint16_t ring, const FieldName& name);
  Result<void> take_data_key(uint32_t number);
  void forget();
};

Opener::Opener(std::unique_ptr<State> state) : state_(std::move(state)) {}
Opener::~Opener() = default;

Result<std::unique_ptr<Opener>> Opener::open(DecryptRing ring, const RootId& root,
                                             std::unique_ptr<os::Directory> wrapped) {
  auto state = std::make_unique<State>();
  for (const crypto::Key& key : ring.keys) {
    KHIPU_TRY_ASSIGN(crypto::BoxKeyPair pair, crypto::box_key_pair(key));
    state->pairs.push_back(std::move(pair));
  }
  state->root = root;
  state->wrapped = std::move(wrapped);
  state->log = std::make_shared<const KeyLog>();
  return std::unique_ptr<Opener>(new Opener(std::move(state)));
}

void Opener::State::forget() {
  keys.clear();
  taken.clear();
}

void Opener::learn(std::shared_ptr<const KeyLog> log) {
  KHIPU_ASSERT(log != nullptr);
  const std::lock_guard guard(state_->mutex);
  if (log == state_->log) return;
  state_->log = std::move(log);
  const auto there = [this](uint32_t number) {
    const KeyLog::File* file = state_->log->current(number);
    return file != nullptr && file->state == KeyLog::State::kCurrent;
  };
  for (const auto& [number, key] : state_->taken) {
    // A subject's data key goes with the subject's pair. Taking the rest again costs little, and is rare.
    if (!there(number) || (key.subject_number != 0 && !there(key.subject_number))) return state_->forget();
  }
}

Result<const KeyLog::File*> Opener::State::committed(uint32_t number, WrappedKind kind) const {
  const KeyLog::File* file = log->current(number);
  if (file == nullptr || file->name.kind != kind) {
    return Error{Code::kNotFound, "no KEY statement names key " + std::to_string(number)};
  }
  if (file->state == KeyLog::State::kShredded) {
    return Error{Code::kPurged, "shredded: key " + std::to_string(number) + " was destroyed under a SHRED statement"};
  }
  return file;
}

// kForbidden is what is sealed to others and nothing else: a link, a folder or a file without rights in the place of a
// key is damage, like one that is missing.
Result<WrappedKey> Opener::State::read(const KeyLog::File& file) const {
  Result<WrappedKey> key = read_wrapped(*wrapped, root, file.name, file.sha256, file.commitment);
  if (key.ok() || key.error().code != Code::kForbidden) return key;
  return Error{Code::kCorrupt, "keys/" + file.name.text() + ": cannot be read as a file: " + key.error().message};
}

Result<crypto::SecretBytes> Opener::State::unwrap(const WrappedKey& key) const {
  for (const crypto::BoxKeyPair& pair : pairs) {
    Result<crypto::SecretBytes> secret = key.unwrap(pair);
    if (secret.ok() || secret.error().code != Code::kForbidden) return at("keys/" + key.name.text(), std::move(secret));
  }
  return Error{Code::kForbidden, "no decrypt key is held that opens keys/" + key.name.text()};
}

Result<void> Opener::State::take_data_key(uint32_t number) {
  KHIPU_TRY_ASSIGN(const KeyLog::File* const file, committed(number, WrappedKind::kData));
  KHIPU_TRY_ASSIGN(const WrappedKey key, read(*file));
  crypto::SecretBytes secret;
  if (key.subject_number == 0) {
    KHIPU_TRY_ASSIGN(secret, unwrap(key));
  } else {
    KHIPU_TRY_ASSIGN(const KeyLog::File* const pair_file, committed(key.subject_number, WrappedKind::kSubject));
    KHIPU_TRY_ASSIGN(const WrappedKey pair_key, read(*pair_file));
    KHIPU_TRY_ASSIGN(const crypto::SecretBytes half, unwrap(pair_key));
    KHIPU_TRY_ASSIGN(const crypto::BoxKeyPair pair, crypto::BoxKeyPair::from_secret(half));
    KHIPU_TRY_ASSIGN(secret, at("keys/" + file->name.text(), key.unwrap(pair)));
  }
  KeyTable::name_key(key_text, 'd', {}, number);
  keys.put(key_text, secret.writable());
  taken[number] = {key.ring, key.subject_number};
  return {};
}

Result<Bytes> Opener::State::field_key_of(uint32_t number, uint16_t ring, const FieldName& name) {
  if (!taken.contains(number)) {
    if (keys.size() >= kKeysMax) forget();
    KHIPU_TRY(take_data_key(number));
  }
  if (taken[number].ring != ring) return Error{Code::kCorrupt, "a sealed value: not of the ring its key was made for"};
  KeyTable::name_key(key_text, 'f', name, number);
  const Bytes key = keys.find(key_text);
  if (!key.empty()) return key;
  const std::string field_text = key_text;
  KeyTable::name_key(key_text, 'd', {}, number);
  Hash derived = field_key(keys.find(key_text), name);
  return keys.put(field_text, derived);
}

Result<void> Opener::open(const FieldPlace& place, Bytes value, Plaintext& to) {
  State& state = *state_;
  KHIPU_TRY_ASSIGN(const SealedValue sealed, parse_sealed(value));
  const std::lock_guard guard(state.mutex);
  KHIPU_TRY_ASSIGN(const Bytes key, state.field_key_of(sealed.key_number, sealed.ring, place.name));
  KHIPU_TRY(associated_data(place, sealed.ring, sealed.key_number, state.associated));
  Buffer& text = to.writable();
  if (text.size() > sealed.size_class()) crypto::wipe(text);
  text.resize(sealed.size_class());
  if (!crypto::aead_open(key, sealed.nonce, state.associated, sealed.ciphertext, text)) {
    return Error{Code::kCorrupt, "a sealed value does not open in this place: it was changed or moved"};
  }
  KHIPU_TRY_ASSIGN(const size_t size, unpadded_size(text));
  text.resize(size);  // what is cut off is padding
  return {};
}

Result<void> Opener::check_key(uint32_t number) {
  const std::lock_guard guard(state_->mutex);
  if (state_->taken.contains(number)) return {};
  return state_->take_data_key(number);
}

Result<Plaintext> Opener::open(const FieldPlace& place, Bytes value) {
  Plaintext plaintext;
  KHIPU_TRY(open(place, value, plaintext));
  return plaintext;
}

}  // namespace khipu::protect
