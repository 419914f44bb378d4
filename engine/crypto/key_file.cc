#include "engine/crypto/key_file.h"

#include <array>

#include "engine/crypto/credential.h"
#include "engine/os/process.h"

namespace khipu::crypto {
namespace {

struct Right {
  uint32_t bit;
  const char* name;
};
constexpr Right kRights[] = {{0040, "the group may read it"},    {0020, "the group may write it"},
                             {0010, "the group may execute it"}, {0004, "others may read it"},
                             {0002, "others may write it"},      {0001, "others may execute it"}};

std::string octal(uint32_t bits) {
  std::string text = "0000";
  for (size_t i = 0; i < text.size(); ++i) text[text.size() - 1 - i] = static_cast<char>('0' + ((bits >> (3 * i)) & 7));
  return text;
}

Error refused(const std::string& why) { return Error{Code::kForbidden, "key file refused: " + why}; }

Result<void> write_and_sync(os::File& file, Bytes text) {
  KHIPU_TRY(file.write_at(0, text));
  return file.sync();
}

}  // namespace

Key generate_key(KeyKind kind, std::string name, TimeUs now) {
  KHIPU_ASSERT(is_secret(kind));
  Key key;
  key.kind = kind;
  key.name = std::move(name);
  key.created = now;
  key.bytes = SecretBytes::random(kKeySize);
  return key;
}

Result<SigningKey> signing_key(const Key& key) {
  if (key.kind != KeyKind::kSigning) return Error{Code::kInvalid, "this key is not a signing key"};
  return SigningKey::from_seed(key.bytes);
}

Result<PublicKey> public_key(const Key& key) {
  if (key.kind != KeyKind::kVerifier) return Error{Code::kInvalid, "this key is not a verifier key"};
  PublicKey bytes;
  std::copy(key.bytes.bytes().begin(), key.bytes.bytes().end(), bytes.begin());
  return bytes;
}

Result<Key> verifier_of(const Key& signing) {
  KHIPU_TRY_ASSIGN(const SigningKey secret, signing_key(signing));
  Key verifier;
  verifier.kind = KeyKind::kVerifier;
  verifier.name = signing.name;
  verifier.version = signing.version;
  verifier.created = signing.created;
  verifier.bytes = SecretBytes::copy_of(secret.public_key());
  return verifier;
}

Result<BoxKeyPair> box_key_pair(const Key& key) {
  if (key.kind != KeyKind::kDecrypt) return Error{Code::kInvalid, "this key is not a decrypt key"};
  return BoxKeyPair::from_secret(key.bytes);
}

Result<BoxPublicKey> box_public_key(const Key& key) {
  if (key.kind != KeyKind::kRecipient) return Error{Code::kInvalid, "this key is not a recipient key"};
  BoxPublicKey bytes;
  std::copy(key.bytes.bytes().begin(), key.bytes.bytes().end(), bytes.begin());
  return bytes;
}

Result<Key> recipient_of(const Key& decrypt) {
  KHIPU_TRY_ASSIGN(const BoxKeyPair pair, box_key_pair(decrypt));
  Key recipient;
  recipient.kind = KeyKind::kRecipient;
  recipient.name = decrypt.name;
  recipient.version = decrypt.version;
  recipient.created = decrypt.created;
  recipient.bytes = SecretBytes::copy_of(pair.public_key());
  return recipient;
}

Result<void> check_key_file_status(const os::FileStatus& status, KeyKind kind, uint32_t user_id) {
  if (!status.regular) return refused("it is not a regular file");
  if (status.owner_uid != user_id && status.owner_uid != 0) {
    return refused("it belongs to user " + std::to_string(status.owner_uid) + ", not to this user (" +
                   std::to_string(user_id) + ") or root: chown it");
  }
  if (status.links != 1) {
    return refused("it has " + std::to_string(status.links) + " names (hard links), it must have one");
  }
  const uint32_t forbidden = is_secret(kind) ? 0077 : 0022;
  for (const Right& right : kRights) {
    if ((status.permissions & forbidden & right.bit) == 0) continue;
    return refused(std::string(right.name) + " (bit " + octal(right.bit) + " of mode " + octal(status.permissions) +
                   "): chmod " + (is_secret(kind) ? "600" : "644") +
                   (is_secret(kind) ? " it, and think of the key as known to them" : " it"));
  }
  return {};
}

Result<void> create_key_file(os::Directory& directory, std::string_view file_name, const Key& key) {
  KHIPU_TRY_ASSIGN(const SecretBytes text, print_key(key));
  KHIPU_TRY_ASSIGN(const std::optional<os::Entry> there, directory.stat(file_name));
  if (there) return Error{Code::kConflict, std::string(file_name) + ": exists, and a key is never overwritten"};
  // Under another name until it is whole: half a key under its own would stop whoever loads this directory. What an
  // interrupted run left under the other name is nobody's.
  const std::string unfinished = std::string(file_name) + ".new";
  KHIPU_TRY_ASSIGN(const std::optional<os::Entry> left, directory.stat(unfinished));
  if (left) KHIPU_TRY(directory.unlink(unfinished));
  KHIPU_TRY_ASSIGN(const std::unique_ptr<os::File> file,
                   directory.open_file(unfinished, os::Mode::kCreateNew, is_secret(key.kind) ? 0600 : 0644));
  Result<void> written = write_and_sync(*file, text.bytes());
  if (written.ok()) written = directory.rename(unfinished, file_name);
  if (!written.ok()) {
    // The first error is the one to tell.
    const Result<void> cleaned = directory.unlink(unfinished);
    if (!cleaned.ok()) return std::move(written).error().at("(and the file could not be removed again)");
    return written;
  }
  written = directory.sync();
  if (!written.ok()) {
    const Result<void> cleaned = directory.unlink(file_name);
    if (!cleaned.ok()) return std::move(written).error().at("(and the file could not be removed again)");
  }
  return written;
}

Result<Key> open_key_file(os::Directory& directory, std::string_view file_name, KeyKind kind) {
  const std::string where = directory.path() + "/" + std::string(file_name);
  KHIPU_TRY_ASSIGN(const std::unique_ptr<os::File> file, directory.open_file(file_name, os::Mode::kRead));
  KHIPU_TRY_ASSIGN(os::FileStatus status, file->status());
  if (is_secret(kind) && (status.permissions & 0070) != 0) {
    KHIPU_TRY_ASSIGN(const auto list, at(where, os::access_list(*file)));
    if (list && granted_to_us_alone(status, *list, os::effective_user_id())) status.permissions &= ~0070U;
  }
  KHIPU_TRY(at(where, check_key_file_status(status, kind, os::effective_user_id())));
  // Read one byte more than is allowed: a longer file is then seen as one.
  SecretBytes text(kKeyFileSizeBytesMax + 1);
  KHIPU_TRY_ASSIGN(const size_t size, file->read_at(0, text.writable()));
  KHIPU_TRY_ASSIGN(Key key, at(where, parse_key(text.bytes().first(size))));
  if (key.kind != kind) {
    return Error{Code::kInvalid, where + ": holds a key of kind " + std::string(key_kind_name(key.kind)) +
                                     ", wanted is " + std::string(key_kind_name(kind))};
  }
  return key;
}

}  // namespace khipu::crypto
