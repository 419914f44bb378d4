#include "engine/codec/protected.h"

#include "engine/codec/statement.h"
#include "tests/engine/codec/examples.h"
#include "tests/support/catch.h"
#include "tests/support/format_examples.h"

namespace khipu::codec {
namespace {

using tests::bytes_of;
using tests::format_example;

Buffer example_value() {
  const Buffer bytes = format_example("version-protected");
  VersionRecord version;
  REQUIRE(decode_version(bytes, version).ok());
  REQUIRE(version.fields.size() == 1);
  const Bytes value = as_bytes(version.fields[0].value.text);
  return Buffer(value.begin(), value.end());
}

Buffer encoded(const ProtectedValue& value) {
  Buffer bytes;
  append_protected(bytes, value);
  return bytes;
}

TEST_CASE("FORMAT.md: a version with a sealed field decodes, means what is said and encodes to the same bytes") {
  const Buffer bytes = format_example("version-protected");
  VersionRecord version;
  REQUIRE(decode_version(bytes, version).ok());
  REQUIRE(version.fields.size() == 1);
  CHECK(version.fields[0].name == "email");
  REQUIRE(version.fields[0].value.is_protected());
  const auto value = decode_protected(as_bytes(version.fields[0].value.text));
  REQUIRE(value.ok());
  CHECK(value->kind == Protection::kSealed);
  CHECK(value->value.size() == 63);
  CHECK(value->value[0] == 1);
  Fingerprint sixes;
  sixes.fill(0x66);
  CHECK(value->fingerprint == sixes);
  REQUIRE(value->indexes == 2);
  CHECK(value->tokens[0].size() == 8);
  Token threes;
  threes.fill(0x33);
  CHECK(has_token(value->tokens[1], threes));
  CHECK_FALSE(has_token(value->tokens[0], threes));
  CHECK_FALSE(value->origin);
  Buffer again;
  encode_version(again, version);
  CHECK(again == bytes);
}

TEST_CASE("FORMAT.md: an event with sealed content holds neither address nor content beside it") {
  const Buffer bytes = format_example("event-sealed");
  EventRecord event;
  REQUIRE(decode_event(bytes, event).ok());
  CHECK(event.sealed.members == (SealedContent::kSourceIp | SealedContent::kJson));
  CHECK(event.sealed.value.size() == 63);
  CHECK(event.source_ip.empty());
  CHECK(event.content_kind == ContentKind::kNone);
  Buffer again;
  encode_event(again, event);
  CHECK(again == bytes);
  // The same with an address in the clear, with no member, with both kinds of content, with an empty value.
  const std::string six = "0001 0150000102030405060708090a0b0c0d0e0f 0201 0320 0400 056178";
  CHECK(decode_event(bytes_of("a7" + six + "13 82 01 4101"), event).ok());
  CHECK(decode_event(bytes_of("a7" + six + "13 82 05 4101"), event).ok());
  for (const char* bad : {"a8*0b61310013820541 01", "a7*13 82 00 4101", "a7*13 82 06 4101", "a7*13 82 07 4101",
                          "a7*13 82 08 4101", "a7*13 82 01 40", "a7*13 83 01 4101 00", "a7*13 81 01"}) {
    std::string text = bad;
    text.replace(text.find('*'), 1, six);
    INFO(bad);
    CHECK_FALSE(decode_event(bytes_of(text), event).ok());
  }
  CHECK_FALSE(decode_event(bytes_of("a8" + six + "0b6131 13 82 01 4101"), event).ok());
  CHECK_FALSE(decode_event(bytes_of("a8" + six + "0f4131 13 82 01 4101"), event).ok());
}

TEST_CASE("FORMAT.md: rules of protected fields and columns decode and encode to the same bytes") {
  for (const char* name : {"statement-type-protected", "statement-column-protected"}) {
    const Buffer bytes = format_example(name);
    const auto statement = decode_statement(bytes);
    INFO(name);
    REQUIRE(statement.ok());
    Buffer again;
    encode_statement(again, *statement);
    CHECK(again == bytes);
    if (const auto* type = std::get_if<TypeStatement>(&statement->body)) {
      REQUIRE(type->type.fields.size() == 2);
      CHECK(text_of(type->type.fields[0].rule) == "sealed,exact,ngram(3),accept_leak,subject");
      CHECK(text_of(type->type.fields[1].rule) == "digest");
    } else {
      CHECK(text_of(std::get<ColumnStatement>(statement->body).column.rule) == "sealed,exact");
    }
  }
}

TEST_CASE("protected value: every truncation is corrupt, every flipped bit is corrupt or another value") {
  const Buffer bytes = example_value();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto cut = decode_protected(Bytes(bytes).first(size));
    REQUIRE_FALSE(cut.ok());
    CHECK(cut.error().code == Code::kCorrupt);
  }
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Buffer flipped = bytes;
    flipped[bit / 8] = static_cast<uint8_t>(flipped[bit / 8] ^ (1U << (bit % 8)));
    const auto value = decode_protected(flipped);
    if (value.ok()) CHECK(encoded(*value) == flipped);  // one value, one encoding
  }
}

TEST_CASE("protected value: kinds, sizes, order and counts outside the form are refused") {
  const std::string fingerprint = "02 48 6666666666666666", one = "48 1111111111111111", two = "48 2222222222222222";
  const auto corrupt = [](const std::string& hex) {
    INFO(hex);
    const auto value = decode_protected(bytes_of(hex));
    REQUIRE_FALSE(value.ok());
    CHECK(value.error().code == Code::kCorrupt);
  };
  CHECK(decode_protected(bytes_of("a2 0001 014101")).ok());
  corrupt("a2 0000 014101");                                            // kind none
  corrupt("a2 0003 014101");                                            // unknown kind
  corrupt("a2 0001 0140");                                              // empty value
  corrupt("a3 0001 014101 0247 66666666666666");                        // fingerprint of seven bytes
  corrupt("a3 0001 014101 0380");                                       // no index
  corrupt("a3 0001 014101 0389" + std::string("404040404040404040"));   // nine of them
  corrupt("a3 0001 014101 0381 47 11111111111111");                     // a cut token
  corrupt("a3 0001 014101 0381 50 2222222222222222 1111111111111111");  // out of order
  corrupt("a3 0001 014101 0381 50 1111111111111111 1111111111111111");  // twice
  corrupt("a3 0001 014101 0500");                                       // unknown key
  corrupt("a2 0001 014101 00");                                         // something behind it
  CHECK(decode_protected(bytes_of("a5 0002 014101" + fingerprint + "0382" + one + two + "0407"))->origin == Row{7});
  Buffer many(8 * (kTokensMax + 1));
  for (size_t i = 0; i <= kTokensMax; ++i) {
    many[8 * i] = static_cast<uint8_t>(i >> 8);
    many[8 * i + 1] = static_cast<uint8_t>(i);
  }
  ProtectedValue value;
  const Buffer byte = {1};
  value.value = byte;
  value.indexes = 1;
  value.tokens[0] = Bytes(many).first(8 * kTokensMax);
  Buffer bytes = encoded(value);
  CHECK(decode_protected(bytes).ok());
  Buffer head = bytes_of("a3 0002 014101 0381 59 8008");
  append(head, many);
  CHECK_FALSE(decode_protected(head).ok());
}

TEST_CASE("protected value: a version's has a fingerprint, a column's has neither fingerprint nor origin") {
  EventRecord event;
  VersionRecord version;
  const std::string six = "0001 0150000102030405060708090a0b0c0d0e0f 0201 0320 0400 056178";
  CHECK(decode_event(bytes_of("a7" + six + "11a1 01 a2 0001 014101"), event).ok());
  CHECK_FALSE(decode_event(bytes_of("a7" + six + "11a1 01 a3 0001 014101 02486666666666666666"), event).ok());
  CHECK_FALSE(decode_event(bytes_of("a7" + six + "11a1 01 a3 0001 014101 0400"), event).ok());
  const std::string prefix = "a7 0002 0150000102030405060708090a0b0c0d0e0f 0201 0320 046174 056169 0aa1 6166";
  CHECK(decode_version(bytes_of(prefix + "a3 0001 014101 02486666666666666666"), version).ok());
  CHECK_FALSE(decode_version(bytes_of(prefix + "a2 0001 014101"), version).ok());
}

TEST_CASE("rules in words go both ways, and what is not a rule is refused") {
  for (const char* text : {"none", "digest", "sealed", "digest,exact", "sealed,exact,prefix(4),ngram(3),accept_leak",
                           "sealed,subject", "sealed,exact,low_entropy,accept_leak,subject"}) {
    const auto parsed = rule(text);
    INFO(text);
    REQUIRE(parsed);
    CHECK(text_of(*parsed) == text);
  }
  for (const char* text : {"", "open", "sealed,", "sealed,,exact", "sealed,none", "sealed,prefix(", "sealed,prefix()",
                           "sealed,prefix(01)", "sealed,prefix(4", "sealed,subject,subject", "exact", "sealed exact"}) {
    INFO(text);
    CHECK_FALSE(rule(text));
  }
}

}  // namespace
}  // namespace khipu::codec
