// Signed notes and checkpoints, by hand; the published and generated vectors are in vectors_test.cc.
#include "engine/tree/note.h"
#include "engine/tree/checkpoint.h"
#include "engine/tree/tree.h"
#include "tests/support/catch.h"

using namespace khipu;
using tree::KeyType;
using tree::VerifierKey;

static crypto::SigningKey test_key(uint8_t byte) {
  const Buffer seed(crypto::kSeedSize, byte);
  auto key = crypto::SigningKey::from_seed(crypto::SecretBytes::copy_of(seed));
  REQUIRE(key.ok());
  return std::move(*key);
}

static std::string signed_note(const std::string& text, uint8_t key) {
  tree::Note note{text, {}};
  tree::sign_note(note, "log.example/a", test_key(key));
  return tree::format_note(note);
}

static std::vector<VerifierKey> keys_of(uint8_t key) {
  return {{"log.example/a", KeyType::kEd25519, test_key(key).public_key()}};
}

TEST_CASE("note: what is signed parses, formats to the same text and verifies under its key alone") {
  const std::string text = signed_note("one\n\ntwo\n", 1);
  const auto note = tree::parse_note(text);
  REQUIRE(note.ok());
  CHECK(note->text == "one\n\ntwo\n");
  REQUIRE(note->signatures.size() == 1);
  CHECK(tree::format_note(*note) == text);
  const tree::VerifiedNote verified = tree::verify_note(*note, keys_of(1));
  CHECK(verified.accepted());
  REQUIRE(verified.by.size() == 1);
  CHECK(verified.by[0].name == "log.example/a");
  CHECK_FALSE(tree::verify_note(*note, keys_of(2)).accepted());
  CHECK_FALSE(tree::verify_note(*note, keys_of(2)).forged);
  CHECK_FALSE(tree::verify_note(*note, {}).accepted());
}

TEST_CASE("note: no bit of a signed note can change without being noticed") {
  const std::string text = signed_note("origin\n5\nx\n", 1);
  const auto keys = keys_of(1);
  for (size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string changed = text;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << (bit % 8));
    const auto note = tree::parse_note(changed);
    if (note.ok()) CHECK_FALSE(tree::verify_note(*note, keys).accepted());
  }
}

TEST_CASE("note: every truncation is malformed") {
  const std::string text = signed_note("origin\n5\nx\n", 1);
  for (size_t size = 0; size < text.size(); ++size) CHECK_FALSE(tree::parse_note(text.substr(0, size)).ok());
}

TEST_CASE("note: limits hold at the limit and over it") {
  tree::Note note{"x\n", {}};
  for (size_t i = 0; i < tree::kNoteSignatureCountMax; ++i) note.signatures.push_back({"a", {}, Buffer(64)});
  CHECK(tree::parse_note(tree::format_note(note)).ok());
  note.signatures.push_back({"a", {}, Buffer(64)});
  CHECK_FALSE(tree::parse_note(tree::format_note(note)).ok());

  tree::Note big{"", {{"a", {}, Buffer(64)}}};
  big.text.assign(tree::kNoteSizeMax - tree::format_note(big).size() - 1, 'x');
  big.text += '\n';
  REQUIRE(tree::format_note(big).size() == tree::kNoteSizeMax);
  CHECK(tree::parse_note(tree::format_note(big)).ok());
  big.text.insert(0, "x");
  CHECK_FALSE(tree::parse_note(tree::format_note(big)).ok());
}

TEST_CASE("note: key names with spaces, plus or control characters are refused") {
  for (const char* name : {"", "a b", "a+b", "a\tb", "a\x7f",
                           "a\xc2\xa0"
                           "b",
                           "a\xe2\x80\x83", "\xe3\x80\x80", "a\xff", "a\xc2\x85", "a\nb"}) {
    CHECK_FALSE(tree::valid_key_name(name));
  }
  for (const char* name : {"a", "log.example/a", "\xe2\x80\x94", "caf\xc3\xa9"}) CHECK(tree::valid_key_name(name));
}

TEST_CASE("verifier key: text and back, another type is unsupported") {
  const VerifierKey key = keys_of(7)[0];
  const auto parsed = VerifierKey::parse(key.text());
  REQUIRE(parsed.ok());
  CHECK(*parsed == key);
  VerifierKey witness = key;
  witness.type = KeyType::kCosignature;
  CHECK(witness.id() != key.id());
  REQUIRE(VerifierKey::parse(witness.text()).ok());
  witness.type = static_cast<KeyType>(6);
  CHECK(VerifierKey::parse(witness.text()).error().code == Code::kUnsupported);
  CHECK(VerifierKey::parse("a+12345678").error().code == Code::kInvalid);
  CHECK(VerifierKey::parse("").error().code == Code::kInvalid);
  std::string capitals = key.text();
  const size_t plus = capitals.find('+');
  for (size_t i = plus; i < plus + 9; ++i) capitals[i] = static_cast<char>(std::toupper(capitals[i]));
  if (capitals != key.text()) CHECK_FALSE(VerifierKey::parse(capitals).ok());
}

TEST_CASE("checkpoint: format and parse are inverses, sizes over 2^63-1 are refused") {
  tree::Checkpoint checkpoint{"log.example/a", tree::kSizeMax, tree::empty_root(), {}};
  const std::string text = tree::format_checkpoint(checkpoint);
  CHECK(text == "log.example/a\n9223372036854775807\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
  const auto parsed = tree::parse_checkpoint(text);
  REQUIRE(parsed.ok());
  CHECK(*parsed == checkpoint);
  CHECK_FALSE(
      tree::parse_checkpoint("log.example/a\n9223372036854775808\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
          .ok());
  CHECK_FALSE(tree::parse_checkpoint("log.example/a\n+1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n").ok());
  CHECK_FALSE(tree::parse_checkpoint("\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n").ok());
  for (size_t size = 0; size < text.size(); ++size) CHECK_FALSE(tree::parse_checkpoint(text.substr(0, size)).ok());
  checkpoint.extensions = {"one", "two"};
  const auto extended = tree::parse_checkpoint(tree::format_checkpoint(checkpoint));
  REQUIRE(extended.ok());
  CHECK(*extended == checkpoint);
}
