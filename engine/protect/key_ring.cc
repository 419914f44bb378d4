#include "engine/protect/key_ring.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "engine/os/process.h"
#include "engine/protect/derive.h"
#include "engine/protect/searcher.h"

namespace khipu::protect {
namespace {

using crypto::Key;
using crypto::KeyKind;

bool of_role(KeyKind kind, std::initializer_list<KeyKind> role) {
  return std::find(role.begin(), role.end(), kind) != role.end();
}

Result<void> ascending(std::vector<Key>& keys, const std::string& where) {
  std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) { return a.version < b.version; });
  for (size_t i = 1; i < keys.size(); ++i) {
    if (keys[i].version == keys[i - 1].version) {
      return Error{Code::kInvalid, where + ": two " + std::string(crypto::key_kind_name(keys[i].kind)) +
                                       " keys of version " + std::to_string(keys[i].version)};
    }
  }
  return {};
}

// Every key of these kinds in the directory, under the file name it must have.
Result<std::vector<Key>> load(os::Directory& directory, std::initializer_list<KeyKind> role) {
  KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, directory.list());
  std::vector<Key> keys;
  for (const os::Entry& entry : entries) {
    const std::optional<KeyKind> kind = kind_of_file(entry.name);
    if (!kind || !of_role(*kind, role)) continue;
    KHIPU_TRY_ASSIGN(Key key, crypto::open_key_file(directory, entry.name, *kind));
    if (key_file_name(*kind, key.name, key.version) != entry.name) {
      return Error{Code::kInvalid, directory.path() + "/" + entry.name + ": the key in it belongs into " +
                                       key_file_name(*kind, key.name, key.version)};
    }
    if (key.version > UINT16_MAX) {
      return Error{Code::kUnsupported, directory.path() + "/" + entry.name + ": versions end at 65535"};
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

std::vector<Key> take(std::vector<Key>& keys, KeyKind kind) {
  std::vector<Key> taken;
  for (Key& key : keys) {
    if (key.kind == kind && !key.bytes.empty()) taken.push_back(std::move(key));
  }
  return taken;
}

std::vector<Key> newest_of_each_name(std::vector<Key> keys) {
  std::map<std::string, Key> newest;
  for (Key& key : keys) {
    const auto found = newest.find(key.name);
    if (found == newest.end()) {
      newest.emplace(key.name, std::move(key));
    } else if (found->second.version < key.version) {
      found->second = std::move(key);
    }
  }
  std::vector<Key> list;
  for (auto& [name, key] : newest) list.push_back(std::move(key));
  return list;
}

Result<SearchRing> search_ring(std::vector<Key>& keys, const std::string& where) {
  SearchRing ring;
  ring.token_roots = take(keys, KeyKind::kTokenRoot);
  ring.digests = take(keys, KeyKind::kDigest);
  KHIPU_TRY(ascending(ring.token_roots, where));
  KHIPU_TRY(ascending(ring.digests, where));
  return ring;
}

}  // namespace

std::optional<KeyKind> kind_of_file(std::string_view file_name) {
  if (file_name == kTokenDayFileName) return KeyKind::kTokenDay;
  if (file_name == kFingerprintFileName) return KeyKind::kFingerprint;
  for (const KeyKind kind : {KeyKind::kRecipient, KeyKind::kDecrypt, KeyKind::kTokenRoot, KeyKind::kDigest}) {
    const std::string prefix = std::string(crypto::key_kind_name(kind)) + "-";
    const std::string_view suffix = crypto::is_secret(kind) ? ".key" : ".pub";
    if (file_name.starts_with(prefix) && file_name.ends_with(suffix)) return kind;
  }
  return std::nullopt;
}

std::string key_file_name(KeyKind kind, std::string_view name, uint32_t version) {
  const std::string kind_name(crypto::key_kind_name(kind));
  switch (kind) {
    case KeyKind::kTokenDay: return std::string(kTokenDayFileName);
    case KeyKind::kFingerprint: return std::string(kFingerprintFileName);
    case KeyKind::kTokenRoot:
    case KeyKind::kDigest: return kind_name + "-" + std::to_string(version) + ".key";
    case KeyKind::kRecipient: return kind_name + "-" + std::string(name) + "-" + std::to_string(version) + ".pub";
    case KeyKind::kDecrypt: return kind_name + "-" + std::string(name) + "-" + std::to_string(version) + ".key";
    case KeyKind::kSigning: return std::string(crypto::kSigningKeyFileName);
    case KeyKind::kIndex: return std::string(crypto::kIndexKeyFileName);
    case KeyKind::kVerifier: return std::string(crypto::kVerifierKeyFileName);
  }
  return kind_name;
}

Result<void> check_origin(const Key& key, const std::string& folder, std::string_view origin) {
  if (!bears_origin(key.kind) || key.name == origin) return {};
  return Error{Code::kConflict, folder + "/" + key_file_name(key.kind, key.name, key.version) + ": is of the log " +
                                    key.name + ", not of " + std::string(origin)};
}

Result<void> check_origin(const WriterRing& ring, const std::string& folder, std::string_view origin) {
  if (ring.token_day) KHIPU_TRY(check_origin(*ring.token_day, folder, origin));
  if (ring.fingerprint) KHIPU_TRY(check_origin(*ring.fingerprint, folder, origin));
  for (const Key& key : ring.digests) KHIPU_TRY(check_origin(key, folder, origin));
  return {};
}

Result<void> check_origin(const SearchRing& ring, const std::string& folder, std::string_view origin) {
  for (const Key& key : ring.token_roots) KHIPU_TRY(check_origin(key, folder, origin));
  for (const Key& key : ring.digests) KHIPU_TRY(check_origin(key, folder, origin));
  return {};
}

Result<WriterRing> load_writer_ring(os::Directory& directory) {
  KHIPU_TRY_ASSIGN(std::vector<Key> keys,
                   load(directory, {KeyKind::kRecipient, KeyKind::kTokenDay, KeyKind::kFingerprint, KeyKind::kDigest}));
  WriterRing ring;
  ring.recipients = newest_of_each_name(take(keys, KeyKind::kRecipient));
  for (Key& key : take(keys, KeyKind::kTokenDay)) ring.token_day = std::move(key);
  for (Key& key : take(keys, KeyKind::kFingerprint)) ring.fingerprint = std::move(key);
  ring.digests = take(keys, KeyKind::kDigest);
  KHIPU_TRY(ascending(ring.digests, directory.path()));
  return ring;
}

Result<SearchRing> load_search_ring(os::Directory& directory) {
  KHIPU_TRY_ASSIGN(std::vector<Key> keys, load(directory, {KeyKind::kTokenRoot, KeyKind::kDigest}));
  return search_ring(keys, directory.path());
}

Result<DecryptRing> load_decrypt_ring(os::Directory& directory) {
  KHIPU_TRY_ASSIGN(std::vector<Key> keys, load(directory, {KeyKind::kDecrypt}));
  return DecryptRing{std::move(keys)};
}

Result<Key> first_token_day(const Key& token_root) {
  if (token_root.kind != KeyKind::kTokenRoot) return Error{Code::kInvalid, "this key is not a token root"};
  const uint32_t day = epoch_day_of(token_root.created);
  Key key;
  key.kind = KeyKind::kTokenDay;
  key.name = token_root.name;
  key.version = token_root.version;
  key.created = static_cast<TimeUs>(day) * kDayUs;
  Hash bytes = first_day_key(token_root.bytes.bytes(), day);
  key.bytes = crypto::SecretBytes::copy_of(bytes);
  crypto::wipe(bytes);
  return key;
}

Result<ReaderRings> parse_reader_rings(Bytes text) {
  std::vector<Key> keys;
  constexpr size_t kLines = 7;  // of one key file
  while (!text.empty()) {
    size_t size = 0;
    for (size_t line = 0; line < kLines && size < text.size(); ++line) {
      while (size < text.size() && text[size] != '\n') ++size;
      if (size < text.size()) ++size;
    }
    KHIPU_TRY_ASSIGN(Key key, at("key " + std::to_string(keys.size() + 1), crypto::parse_key(text.first(size))));
    if (!of_role(key.kind, {KeyKind::kTokenRoot, KeyKind::kDigest, KeyKind::kDecrypt})) {
      return Error{Code::kForbidden, "a " + std::string(crypto::key_kind_name(key.kind)) +
                                         " key is none that a reader may hold: token-root, digest and decrypt are"};
    }
    keys.push_back(std::move(key));
    text = text.subspan(size);
  }
  ReaderRings rings;
  KHIPU_TRY_ASSIGN(rings.search, search_ring(keys, "the keys handed in"));
  rings.decrypt.keys = take(keys, KeyKind::kDecrypt);
  return rings;
}

Result<crypto::SecretBytes> read_keys_from_descriptor(std::string_view number) {
  int descriptor = 0;
  const auto [end, failure] = std::from_chars(number.data(), number.data() + number.size(), descriptor);
  if (failure != std::errc() || end != number.data() + number.size()) {
    return Error{Code::kInvalid, "a descriptor is a number, as in --key-fd 3 3<FILE"};
  }
  constexpr size_t kSizeMax = 64U << 10;
  crypto::SecretBytes room(kSizeMax + 1);
  KHIPU_TRY_ASSIGN(const size_t size, os::read_inherited(descriptor, room.writable()));
  if (size > kSizeMax) return Error{Code::kLimit, "more than 65536 bytes of keys"};
  return crypto::SecretBytes::copy_of(room.bytes().first(size));
}

}  // namespace khipu::protect
