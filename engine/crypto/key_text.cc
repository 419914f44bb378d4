// The text of key files: print_key() and parse_key() of key_file.h. Secrets pass through locked memory only.
#include <sodium.h>

#include <algorithm>
#include <charconv>

#include "engine/base/time.h"
#include "engine/crypto/hash.h"
#include "engine/crypto/key_file.h"

namespace khipu::crypto {
namespace {

constexpr std::string_view kFormatFamily = "khipu-key/";
constexpr std::string_view kFormat = "khipu-key/v1";
constexpr std::string_view kSecretMarker = "KHIPU-SECRET-1 ";
constexpr std::string_view kKindsText =
    "signing, index, verifier, recipient, decrypt, token-root, token-day, fingerprint or digest";
constexpr size_t kNameSizeMax = 128;
constexpr size_t kCheckSize = 4;
constexpr size_t kBase64Size = sodium_base64_ENCODED_LEN(kKeySize, sodium_base64_VARIANT_ORIGINAL) - 1;

Error bad(std::string_view line, std::string_view right) {
  std::string message = "key file: line '";
  message += line;
  message += "': must be ";
  message += right;
  return Error{Code::kCorrupt, std::move(message)};
}

bool name_fine(std::string_view name) {
  return !name.empty() && name.size() <= kNameSizeMax &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '+'; });
}

std::string check_digits(Bytes lines) { return hex(Bytes(sha256(lines)).first(kCheckSize)); }

// Takes "LABEL: value\n" off the front.
Result<std::string_view> take_line(std::string_view& rest, std::string_view label, std::string_view right) {
  const size_t end = rest.find('\n');
  if (end == std::string_view::npos || end < label.size() + 2 || !rest.starts_with(label) ||
      rest.substr(label.size(), 2) != ": ") {
    return bad(label, right);
  }
  const std::string_view value = rest.substr(label.size() + 2, end - label.size() - 2);
  rest.remove_prefix(end + 1);
  return value;
}

Result<KeyKind> parse_kind(std::string_view text) {
  for (const KeyKind kind : kKeyKinds) {
    if (text == key_kind_name(kind)) return kind;
  }
  return bad("kind", kKindsText);
}

Result<uint32_t> parse_version(std::string_view text) {
  uint32_t version = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (failure != std::errc() || end != text.data() + text.size() || version == 0 || text.starts_with('0')) {
    return bad("version", "a number from 1 to 4294967295");
  }
  return version;
}

// Only what print_key() would have written: one time, one text.
Result<TimeUs> parse_created(std::string_view text) {
  const Result<TimeUs> time = parse_rfc3339(text);
  if (!time.ok() || format_rfc3339(*time) != text) {
    return bad("created", "a time such as 2026-11-21T03:00:00.000000Z");
  }
  return *time;
}

Result<SecretBytes> parse_bytes(std::string_view text, KeyKind kind) {
  const bool marked = text.starts_with(kSecretMarker);
  if (marked != is_secret(kind)) {
    return bad("key", is_secret(kind) ? "KHIPU-SECRET-1, a space and the key" : "the key alone: this kind is public");
  }
  if (marked) text.remove_prefix(kSecretMarker.size());
  constexpr std::string_view kRight = "32 bytes in base64";
  if (text.size() != kBase64Size) return bad("key", kRight);
  init();
  SecretBytes bytes(kKeySize), again(kBase64Size + 1);
  size_t size = 0;
  const int failed = sodium_base642bin(bytes.writable().data(), bytes.size(), text.data(), text.size(), nullptr, &size,
                                       nullptr, sodium_base64_VARIANT_ORIGINAL);
  if (failed != 0 || size != kKeySize) return bad("key", kRight);
  // sodium_base642bin stops at foreign letters and calls that success, and takes some bytes above 0x7f for letters: a
  // key has one text only.
  sodium_bin2base64(reinterpret_cast<char*>(again.writable().data()), again.size(), bytes.bytes().data(), kKeySize,
                    sodium_base64_VARIANT_ORIGINAL);
  if (!equal_constant_time(again.bytes().first(kBase64Size), as_bytes(text))) return bad("key", kRight);
  return bytes;
}

}  // namespace

std::string_view key_kind_name(KeyKind kind) {
  switch (kind) {
    case KeyKind::kSigning: return "signing";
    case KeyKind::kIndex: return "index";
    case KeyKind::kVerifier: return "verifier";
    case KeyKind::kRecipient: return "recipient";
    case KeyKind::kDecrypt: return "decrypt";
    case KeyKind::kTokenRoot: return "token-root";
    case KeyKind::kTokenDay: return "token-day";
    case KeyKind::kFingerprint: return "fingerprint";
    case KeyKind::kDigest: return "digest";
  }
  return "unknown";
}

Result<SecretBytes> print_key(const Key& key) {
  if (!name_fine(key.name)) {
    return Error{Code::kInvalid, "a key's name has 1 to 128 printable ASCII characters, no space and no '+'"};
  }
  if (key.bytes.size() != kKeySize || key.version == 0) {
    return Error{Code::kInvalid, "a key has 32 bytes and a version from 1"};
  }
  init();
  std::string head(kFormat);
  head += "\nkind: ";
  head += key_kind_name(key.kind);
  head += "\nname: " + key.name + "\nversion: " + std::to_string(key.version) +
          "\ncreated: " + format_rfc3339(key.created) + "\nkey: ";
  if (is_secret(key.kind)) head += kSecretMarker;
  constexpr std::string_view kCheckLabel = "\ncheck: ";

  SecretBytes text(head.size() + kBase64Size + kCheckLabel.size() + 2 * kCheckSize + 1);
  char* to = reinterpret_cast<char*>(text.writable().data());
  to = std::copy(head.begin(), head.end(), to);
  // Writes a NUL behind the base64, where the next line goes.
  sodium_bin2base64(to, kBase64Size + 1, key.bytes.bytes().data(), kKeySize, sodium_base64_VARIANT_ORIGINAL);
  to = std::copy(kCheckLabel.begin(), kCheckLabel.end(), to + kBase64Size);
  const std::string check = check_digits(text.bytes().first(head.size() + kBase64Size + 1));
  *std::copy(check.begin(), check.end(), to) = '\n';
  return text;
}

Result<Key> parse_key(Bytes bytes) {
  const std::string_view text = as_text(bytes);
  if (text.size() > kKeyFileSizeBytesMax) return Error{Code::kLimit, "key file: larger than 1024 bytes"};
  if (!text.starts_with(kFormat) || text.size() == kFormat.size() || text[kFormat.size()] != '\n') {
    if (text.starts_with(kFormatFamily)) {
      return Error{Code::kUnsupported, "key file: another version of the format: this program reads khipu-key/v1"};
    }
    return Error{Code::kCorrupt, "key file: the first line must be khipu-key/v1"};
  }
  std::string_view rest = text.substr(kFormat.size() + 1);
  Key key;
  KHIPU_TRY_ASSIGN(const std::string_view kind, take_line(rest, "kind", kKindsText));
  KHIPU_TRY_ASSIGN(key.kind, parse_kind(kind));
  KHIPU_TRY_ASSIGN(const std::string_view name, take_line(rest, "name", "a name"));
  if (!name_fine(name)) return bad("name", "1 to 128 printable ASCII characters, no space and no '+'");
  key.name = name;
  KHIPU_TRY_ASSIGN(const std::string_view version, take_line(rest, "version", "a number from 1"));
  KHIPU_TRY_ASSIGN(key.version, parse_version(version));
  KHIPU_TRY_ASSIGN(const std::string_view created, take_line(rest, "created", "a time"));
  KHIPU_TRY_ASSIGN(key.created, parse_created(created));
  KHIPU_TRY_ASSIGN(const std::string_view encoded, take_line(rest, "key", "the key"));
  KHIPU_TRY_ASSIGN(key.bytes, parse_bytes(encoded, key.kind));
  const Bytes checked = bytes.first(text.size() - rest.size());
  KHIPU_TRY_ASSIGN(const std::string_view check, take_line(rest, "check", "eight hex digits"));
  if (check != check_digits(checked)) {
    return Error{Code::kCorrupt, "key file: the check digits do not fit the lines above: a character was changed"};
  }
  if (!rest.empty()) return Error{Code::kCorrupt, "key file: nothing may follow the line 'check'"};
  return key;
}

}  // namespace khipu::crypto
