#include "engine/crypto/key_lock.h"

#include "tests/support/catch.h"

namespace khipu::crypto {
namespace {

constexpr std::string_view kPassphrase = "correct horse battery";
Result<SecretBytes> locked(const Key& key) { return lock_key(key, as_bytes(kPassphrase), kLockCostMin); }
std::string text_of(const SecretBytes& bytes) { return std::string(as_text(bytes.bytes())); }

TEST_CASE("key lock: a key comes back under its passphrase and under no other") {
  const Key key = generate_key(KeyKind::kDecrypt, "auditors", 0);
  const auto text = locked(key);
  REQUIRE(text.ok());
  CHECK(text_of(*text).starts_with("khipu-locked-key/v1\nkdf: argon2id 1 8192 "));
  CHECK(text_of(*text).find("KHIPU-SECRET") == std::string::npos);
  const auto opened = unlock_key(text->bytes(), as_bytes(kPassphrase));
  REQUIRE(opened.ok());
  const auto back = parse_key(opened->bytes());
  REQUIRE(back.ok());
  CHECK(back->name == "auditors");
  CHECK(std::equal(back->bytes.bytes().begin(), back->bytes.bytes().end(), key.bytes.bytes().begin()));
  CHECK(unlock_key(text->bytes(), as_bytes("correct horse batterz")).error().code == Code::kForbidden);
  CHECK(unlock_key(text->bytes(), as_bytes("short")).error().code == Code::kInvalid);
  CHECK(lock_key(key, as_bytes("short"), kLockCostMin).error().code == Code::kInvalid);
  CHECK(text_of(*locked(key)) != text_of(*text));  // another salt, another nonce
}

TEST_CASE("key lock: what a file may cost to open is bounded before any work is done") {
  const auto costs = [](const std::string& kdf) {
    const std::string text = "khipu-locked-key/v1\nkdf: argon2id " + kdf +
                             " AAAAAAAAAAAAAAAAAAAAAA==\nbox: KHIPU-LOCKED-1 " + base64(Buffer(100, 1)) + "\n";
    return unlock_key(as_bytes(text), as_bytes(kPassphrase)).error().code;
  };
  CHECK(costs("1 8192") == Code::kForbidden);
  for (const char* kdf : {"0 8192", "11 8192", "1 8191", "1 1048577", "4294967295 4294967295", "4294967297 8192",
                          "01 8192", "+1 8192", "1 8192 ", "1", "-1 8192"}) {
    INFO(kdf);
    CHECK(costs(kdf) == Code::kCorrupt);
  }
  CHECK(lock_key(generate_key(KeyKind::kDecrypt, "a", 0), as_bytes(kPassphrase), {11, 8192}).error().code ==
        Code::kInvalid);
}

TEST_CASE("key lock: every truncation is refused, and every changed character") {
  const auto sealed = locked(generate_key(KeyKind::kTokenRoot, "x", 0));
  REQUIRE(sealed.ok());
  const std::string text = text_of(*sealed);
  for (size_t size = 0; size < text.size(); ++size) {
    const Code code = unlock_key(as_bytes(text.substr(0, size)), as_bytes(kPassphrase)).error().code;
    CHECK((code == Code::kCorrupt || code == Code::kUnsupported));  // cut behind the slash it may be another version
  }
  for (size_t i = 0; i < text.size(); i += 7) {  // each costs an Argon2id of 8 MiB where the form still fits
    std::string changed = text;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    INFO(i);
    CHECK_FALSE(unlock_key(as_bytes(changed), as_bytes(kPassphrase)).ok());
  }
  CHECK(unlock_key(as_bytes(text + "\n"), as_bytes(kPassphrase)).error().code == Code::kCorrupt);
  CHECK(unlock_key(as_bytes("khipu-locked-key/v2\n"), as_bytes(kPassphrase)).error().code == Code::kUnsupported);
  CHECK(unlock_key(Buffer(5000, 'a'), as_bytes(kPassphrase)).error().code == Code::kLimit);
}

}  // namespace
}  // namespace khipu::crypto
