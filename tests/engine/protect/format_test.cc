// The worked examples of engine/FORMAT.md "Protected values" and "Keys of protected fields".
#include "engine/crypto/aead.h"
#include "engine/crypto/hash.h"
#include "engine/protect/derive.h"
#include "engine/protect/parked.h"
#include "tests/engine/protect/world.h"
#include "tests/support/format_examples.h"

namespace khipu::protect {
namespace {

Buffer filled(uint8_t byte) { return Buffer(32, byte); }
FieldPlace example_place() {
  FieldPlace place;
  place.root.fill(0x11);
  place.name = {"user", "email"};
  place.entity_id = "u-7";
  for (size_t i = 0; i < place.uid.size(); ++i) place.uid[i] = static_cast<uint8_t>(i);
  return place;
}
constexpr std::string_view kText = "alice@example.org";

TEST_CASE("FORMAT.md: the sealed value opens under its key and associated data") {
  const Buffer value = tests::format_example("sealed-value");
  const auto sealed = parse_sealed(value);
  REQUIRE(sealed.ok());
  CHECK(sealed->ring == 2);
  CHECK(sealed->key_number == 12);
  CHECK(sealed->size_class() == 32);
  Buffer associated;
  REQUIRE(associated_data(example_place(), sealed->ring, sealed->key_number, associated).ok());
  CHECK(associated == tests::format_example("sealed-associated-data"));
  const Hash key = field_key(filled(0x99), example_place().name);
  CHECK(hex(key).starts_with("85b32474381930d6"));
  Buffer text(sealed->size_class());
  REQUIRE(crypto::aead_open(key, sealed->nonce, associated, sealed->ciphertext, text));
  text.resize(unpadded_size(text).value());
  CHECK(as_text(text) == kText);
}

TEST_CASE("FORMAT.md: the sealed DLQ entry opens in its line, with the key that is wrapped for it") {
  const std::string page = tests::source_text("engine/FORMAT.md");
  const std::string fence = "```text dlq-place\n";
  const size_t from = page.find(fence) + fence.size();
  const std::string line = page.substr(from, page.find('\n', from) - from);
  REQUIRE(line.starts_with("{\"schema\":\"khipu.dlq-import/v1\""));
  WrappedKey key;
  key.root.fill(0x11);
  key.name = {WrappedKind::kParked, 12, 1};
  key.ring = 2;
  const auto pair = crypto::BoxKeyPair::from_secret(crypto::SecretBytes::copy_of(filled(0xA1))).value();
  REQUIRE(key.wrap(crypto::SecretBytes::copy_of(filled(0x99)), {{"auditors", 2, pair.public_key()}}).ok());
  DecryptRing ring;
  ring.keys.push_back(make_key(crypto::KeyKind::kDecrypt, "auditors", 2, 0, 0xA1));
  const auto opener = ParkedOpener::make(key.root, std::move(ring)).value();
  const Buffer sealed = tests::format_example("dlq-sealed");
  const auto opened = opener->open(encode_wrapped(key), crypto::sha256(as_bytes(line)), sealed);
  INFO((opened.ok() ? std::string() : opened.error().message));
  REQUIRE(opened.ok());
  CHECK(opened->text() == "{\"actor\":1}");
  CHECK(opened->text().size() == 11);
  CHECK_FALSE(opener->open(encode_wrapped(key), crypto::sha256(as_bytes(line + " ")), sealed).ok());
}

TEST_CASE("FORMAT.md: digest, token and fingerprint are derived as written") {
  const auto digest = parse_digest(tests::format_example("digest-value"));
  REQUIRE(digest.ok());
  CHECK(digest->key_version == 1);
  const FieldName name = example_place().name;
  CHECK(digest->digest == digest_of(digest_key(filled(0xD1), name), codec::ValueKind::kText, as_bytes(kText)));
  const Hash day = next_day_key(first_day_key(filled(0x51), 20000), 20001);
  const Token token = token_of(index_key(day, name, {codec::BlindIndex::kExact, 0}), kText);
  CHECK(hex(token) == "78aa0efeb446ec4a");
  const Fingerprint fingerprint =
      fingerprint_of(fingerprint_key(filled(0xF1), name), "u-7", codec::ValueKind::kText, as_bytes(kText));
  CHECK(hex(fingerprint) == "c00ff2a6406e05f4");
  const std::string page = tests::source_text("engine/FORMAT.md");
  CHECK(page.find(hex(token)) != std::string::npos);
  CHECK(page.find(hex(fingerprint)) != std::string::npos);
}

TEST_CASE("FORMAT.md: the wrapped key parses, opens and encodes to the same bytes") {
  const Buffer bytes = tests::format_example("wrapped-key");
  const auto key = parse_wrapped(bytes);
  REQUIRE(key.ok());
  CHECK(encode_wrapped(*key) == bytes);
  CHECK(key->name.text() == "data-0000000012-1.key");
  CHECK(key->ring == 2);
  REQUIRE(key->copies.size() == 1);
  CHECK(key->copies[0].recipient.name == "auditors");
  const auto pair = crypto::BoxKeyPair::from_secret(crypto::SecretBytes::copy_of(filled(0xA1)));
  REQUIRE(pair.ok());
  const auto secret = key->unwrap(*pair);
  REQUIRE(secret.ok());
  CHECK(crypto::equal_constant_time(secret->bytes(), filled(0x99)));
}

}  // namespace
}  // namespace khipu::protect
