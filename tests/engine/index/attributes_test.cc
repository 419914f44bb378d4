// Terms of what the fields of versions say, against the versions themselves.
#include <algorithm>
#include <map>

#include "engine/base/fold.h"
#include "engine/codec/protected.h"
#include "engine/index/attributes.h"
#include "engine/index/builder.h"
#include "engine/index/reader.h"
#include "tests/support/catch.h"

using namespace khipu;
using namespace khipu::index;

namespace {

using Fields = std::vector<codec::NamedValue>;

std::vector<std::string> terms_of(const Fields& fields, std::string_view type = "user") {
  codec::VersionRecord version;
  version.type = type;
  version.id = "u-1";
  version.fields = fields;
  std::vector<std::string> terms;
  REQUIRE(each_attribute(version, [&](Bytes term) { terms.emplace_back(as_text(term)); }).ok());
  return terms;
}

std::string term(std::string_view field, AttributeKind kind, std::string_view key) {
  Buffer made;
  attribute_prefix(made, "user", field, kind);
  append(made, as_bytes(key));
  return std::string(as_text(made));
}

codec::Value text(std::string_view value) { return codec::Value::of_text(value); }

}  // namespace

TEST_CASE("attributes: a text stands in its term lower-cased, and as it is where that is something else") {
  using namespace std::string_literals;
  CHECK(terms_of({{"name", text("ada")}}) == std::vector{term("name", AttributeKind::kText, "ada\0"s)});
  CHECK(terms_of({{"name", text("Ada")}}) == std::vector{term("name", AttributeKind::kText, "ada\0Ada"s)});
  CHECK(terms_of({{"name", text("")}}) == std::vector{term("name", AttributeKind::kText, "\0"s)});
  CHECK(terms_of({{"name", text("\xE2\x84\xAA")}}) ==  // the sign of kelvin
        std::vector{term("name", AttributeKind::kText, "k\0\xE2\x84\xAA"s)});
  for (const std::string& value : {""s, "ada"s, "Ada"s, "\xC3\x84rger"s, std::string(47, 'x'), std::string(47, 'X')}) {
    const std::string made = terms_of({{"name", text(value)}}).at(0);
    CHECK(made.size() <= 255);
    Buffer prefix;
    attribute_prefix(prefix, "user", "name", AttributeKind::kText);
    REQUIRE(made.starts_with(as_text(prefix)));
    CHECK(attribute_text(as_bytes(std::string_view(made).substr(prefix.size()))).value() == value);
  }
  CHECK_FALSE(attribute_text(as_bytes("no end")).ok());
  CHECK_FALSE(attribute_text({}).ok());
}

TEST_CASE("attributes: what is long or has a NUL in it shares its term with all that begin so") {
  using namespace std::string_literals;
  const std::string long_one = std::string(50, 'A') + "x";
  CHECK(terms_of({{"name", text(long_one)}}) ==
        std::vector{term("name", AttributeKind::kLongText, std::string(48, 'a'))});
  CHECK(terms_of({{"name", text(std::string(48, 'b'))}}) ==
        std::vector{term("name", AttributeKind::kLongText, std::string(48, 'b'))});
  CHECK(terms_of({{"name", text("A\0b"s)}}) == std::vector{term("name", AttributeKind::kLongText, "a\0b"s)});
  std::string kelvins;  // 48 bytes that are 16 when lower-cased
  for (int i = 0; i < 16; ++i) kelvins += "\xE2\x84\xAA";
  CHECK(terms_of({{"name", text(kelvins)}}) ==
        std::vector{term("name", AttributeKind::kLongText, std::string(16, 'k'))});
  // The longest term there can be.
  const std::string name(63, 'n');
  CHECK(terms_of({{name, text(std::string(47, 'N'))}}, std::string(63, 't')).at(0).size() == 225);
}

TEST_CASE("attributes: each kind has its terms, and what is shown in the place of a name one more") {
  using namespace std::string_literals;
  const auto number = [](const codec::Value& value) { return std::string(as_text(number_key(value).bytes)); };
  const Fields all = {{"age", codec::Value::of_integer(41)},
                      {"doc", codec::Value::of_json("{\"A\":1}")},
                      {"mail", text("X@y")},
                      {"note", text("other")}};
  std::vector<std::string> expected = {
      term("age", AttributeKind::kNumber, number(codec::Value::of_integer(41))),
      term("doc", AttributeKind::kJson, "{\"a\":1}\0{\"A\":1}"s), term("mail", AttributeKind::kText, "x@y\0X@y"s),
      term("note", AttributeKind::kText, "other\0"s), term(kShownBy, AttributeKind::kText, "x@y\0X@y"s)};
  CHECK(terms_of(all) == expected);
  Fields named = all;
  named.insert(named.begin() + 3, {"name", text("")});
  expected.back() = expected[3];
  expected[3] = term("name", AttributeKind::kText, "\0"s);
  CHECK(terms_of(named) == expected);
}

TEST_CASE("attributes: of a protected value there is the digest and the tokens that the record has, and no text") {
  codec::ProtectedValue digest, sealed;
  const Buffer bytes(35, 0x44), cipher(60, 0x55), first(8, 0x11);
  Buffer second(16, 0x22);
  std::fill_n(second.begin() + 8, 8, uint8_t{0x33});
  digest.kind = codec::Protection::kDigest;
  digest.value = bytes;
  sealed.kind = codec::Protection::kSealed;
  sealed.value = cipher;
  sealed.tokens = {Bytes(first), Bytes(second)};
  sealed.indexes = 2;
  Buffer one, other;
  codec::append_protected(one, digest);
  codec::append_protected(other, sealed);
  CHECK(terms_of({{"ssn", codec::Value::of_protected(one)}}) ==
        std::vector{term("ssn", AttributeKind::kDigest, as_text(bytes))});
  CHECK(terms_of({{"mail", codec::Value::of_protected(other)}}) ==
        std::vector{term("mail", AttributeKind::kToken, std::string(1, 0) + std::string(8, 0x11)),
                    term("mail", AttributeKind::kToken, std::string(1, 1) + std::string(8, 0x22)),
                    term("mail", AttributeKind::kToken, std::string(1, 1) + std::string(8, 0x33))});
}

TEST_CASE("attributes: a protected name leaves the term of the first text as it is, whatever the version is shown by") {
  using namespace std::string_literals;
  codec::ProtectedValue sealed;
  const Buffer cipher(60, 0x55);
  sealed.kind = codec::Protection::kSealed;
  sealed.value = cipher;
  Buffer name;
  codec::append_protected(name, sealed);
  CHECK(terms_of({{"name", codec::Value::of_protected(name)}, {"role", text("")}, {"grade", text("admin")}}) ==
        std::vector{term("role", AttributeKind::kText, "\0"s), term("grade", AttributeKind::kText, "admin\0"s),
                    term(kShownBy, AttributeKind::kText, "admin\0"s)});
}

TEST_CASE("attributes: names that no schema has make no index") {
  codec::VersionRecord version;
  version.type = "user";
  const std::string name(64, 'n');
  version.fields = {{name, text("x")}};
  CHECK(each_attribute(version, [](Bytes) {}).error().code == Code::kCorrupt);
  CHECK_FALSE(Builder::of_registry({0}, {0}).add(64, version).ok());
}

TEST_CASE("attributes: an index has each term with the rows of its versions, and those that mark the end") {
  Builder builder = Builder::of_registry({4}, {100});
  std::map<std::string, std::vector<uint32_t>> rows;
  std::vector<uint32_t> deleted;
  for (uint32_t row = 0; row < 3000; ++row) {
    const std::string id = "u-" + std::to_string(row),
                      name = (row % 2 == 0 ? "User " : "user ") + std::to_string(row % 7);
    codec::VersionRecord version;
    version.type = "user";
    version.id = id;
    version.deleted = row % 10 == 3;
    version.fields = {{"name", text(name)}};
    if (version.deleted) deleted.push_back(row);
    rows[term("name", AttributeKind::kText, fold(name) + '\0' + (row % 2 == 0 ? name : ""))].push_back(row);
    REQUIRE(builder.add(64 + row, version).ok());
  }
  const auto reader = Reader::open(BlockFile::of(builder.body().value())).value();
  CHECK(reader->header().has_attributes());
  CHECK(reader->header().terms == 3000 + rows.size() + 1);
  const auto rows_of = [&](Bytes wanted) {
    std::vector<uint32_t> found;
    const auto list = reader->find(wanted).value();
    REQUIRE(list);
    REQUIRE(reader->each_row(*list, [&](uint32_t row) { found.push_back(row); }).ok());
    return found;
  };
  for (const auto& [term, expected] : rows) CHECK(rows_of(as_bytes(term)) == expected);
  CHECK(rows_of(deleted_term().view()) == deleted);
  const auto old =
      Reader::open(BlockFile::of([&] {
        const Builder::File file = builder.finish_as(1).value();
        return Buffer(file.bytes.begin(), file.bytes.begin() + static_cast<ptrdiff_t>(*body_size(file.bytes.size())));
      }()))
          .value();
  CHECK_FALSE(old->header().has_attributes());
  CHECK(old->header().terms == 3000);
}
