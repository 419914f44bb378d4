#include "engine/crypto/key_lock.h"

#include <sodium.h>

#include <charconv>

#include "engine/crypto/aead.h"

namespace khipu::crypto {
namespace {

constexpr std::string_view kFamily = "khipu-locked-key/";
constexpr std::string_view kLockFormat = "khipu-locked-key/v1\n";
constexpr std::string_view kKdf = "kdf: argon2id ";
constexpr std::string_view kBox = "box: KHIPU-LOCKED-1 ";
constexpr size_t kSaltSize = crypto_pwhash_argon2id_SALTBYTES;

Error bad_lock(const char* why) { return Error{Code::kCorrupt, std::string("locked key: ") + why}; }

bool in_bounds(const LockCost& cost) {
  return cost.passes >= kLockCostMin.passes && cost.passes <= kLockCostMax.passes &&
         cost.memory_kib >= kLockCostMin.memory_kib && cost.memory_kib <= kLockCostMax.memory_kib;
}

Result<SecretBytes> derive(Bytes passphrase, const LockCost& cost, Bytes salt) {
  if (passphrase.size() < kPassphraseSizeMin || passphrase.size() > kPassphraseSizeMax) {
    return Error{Code::kInvalid, "a passphrase has 12 to 1,024 bytes"};
  }
  init();
  SecretBytes key(kAeadKeySize);
  if (crypto_pwhash_argon2id(key.writable().data(), key.size(), reinterpret_cast<const char*>(passphrase.data()),
                             passphrase.size(), salt.data(), cost.passes, size_t{cost.memory_kib} * 1024,
                             crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0) {
    return Error{Code::kLimit, "not enough memory for the passphrase's cost"};
  }
  return key;
}

// Takes a decimal number and the space behind it off the front.
std::optional<uint32_t> take_number(std::string_view& rest) {
  const size_t end = rest.find(' ');
  if (end == std::string_view::npos || end == 0 || rest[0] == '0') return std::nullopt;
  uint32_t number = 0;
  const auto [stopped, failure] = std::from_chars(rest.data(), rest.data() + end, number);
  if (failure != std::errc() || stopped != rest.data() + end) return std::nullopt;
  rest.remove_prefix(end + 1);
  return number;
}

// "PREFIX...\n": what stands between, taken off the front.
std::optional<std::string_view> take_lock_line(std::string_view& rest, std::string_view prefix) {
  const size_t end = rest.find('\n');
  if (end == std::string_view::npos || !rest.starts_with(prefix) || end < prefix.size()) return std::nullopt;
  const std::string_view line = rest.substr(prefix.size(), end - prefix.size());
  rest.remove_prefix(end + 1);
  return line;
}

}  // namespace

Result<SecretBytes> lock_key(const Key& key, Bytes passphrase, LockCost cost) {
  if (!in_bounds(cost)) return Error{Code::kInvalid, "passes from 1 to 10 and memory from 8 MiB to 1 GiB are taken"};
  KHIPU_TRY_ASSIGN(const SecretBytes text, print_key(key));
  std::array<uint8_t, kSaltSize> salt;
  random_fill(salt);
  KHIPU_TRY_ASSIGN(const SecretBytes secret, derive(passphrase, cost, salt));
  std::string head(kLockFormat);
  head += kKdf;
  head += std::to_string(cost.passes) + " " + std::to_string(cost.memory_kib) + " " + base64(salt) + "\n";
  Buffer box(kAeadNonceSize + text.size() + kAeadTagSize);
  random_fill(std::span(box).first(kAeadNonceSize));
  aead_seal(secret.bytes(), Bytes(box).first(kAeadNonceSize), as_bytes(head), text.bytes(),
            std::span(box).subspan(kAeadNonceSize));
  head += kBox;
  head += base64(box) + "\n";
  return SecretBytes::copy_of(as_bytes(head));
}

Result<SecretBytes> unlock_key(Bytes text, Bytes passphrase) {
  if (text.size() > kLockedKeySizeBytesMax) return Error{Code::kLimit, "locked key: larger than 4096 bytes"};
  std::string_view rest = as_text(text);
  if (!rest.starts_with(kLockFormat)) {
    if (rest.starts_with(kFamily)) return Error{Code::kUnsupported, "locked key: another version of the format"};
    return bad_lock("the first line must be khipu-locked-key/v1");
  }
  rest.remove_prefix(kLockFormat.size());
  std::optional<std::string_view> kdf = take_lock_line(rest, kKdf);
  if (!kdf) return bad_lock("the second line must be kdf: argon2id PASSES KIB SALT");
  const Bytes head = text.first(text.size() - rest.size());
  const std::optional<uint32_t> passes = take_number(*kdf), memory = take_number(*kdf);
  const std::optional<Buffer> salt = from_base64(*kdf);
  if (!passes || !memory || !salt || salt->size() != kSaltSize) {
    return bad_lock("the second line must be kdf: argon2id PASSES KIB SALT");
  }
  const LockCost cost{*passes, *memory};
  if (!in_bounds(cost)) return bad_lock("its cost is out of bounds: passes 1 to 10, memory 8 MiB to 1 GiB");
  const std::optional<std::string_view> encoded = take_lock_line(rest, kBox);
  const std::optional<Buffer> box = encoded ? from_base64(*encoded) : std::nullopt;
  if (!box || !rest.empty() || box->size() <= kAeadNonceSize + kAeadTagSize) {
    return bad_lock("the third and last line must be box: KHIPU-LOCKED-1 BASE64");
  }
  KHIPU_TRY_ASSIGN(const SecretBytes secret, derive(passphrase, cost, *salt));
  SecretBytes opened(box->size() - kAeadNonceSize - kAeadTagSize);
  if (!aead_open(secret.bytes(), Bytes(*box).first(kAeadNonceSize), head, Bytes(*box).subspan(kAeadNonceSize),
                 opened.writable())) {
    return Error{Code::kForbidden, "locked key: another passphrase, or the file was changed"};
  }
  KHIPU_TRY(parse_key(opened.bytes()));
  return opened;
}

}  // namespace khipu::crypto
