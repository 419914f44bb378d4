#include "engine/import/splitter.h"

#include <zlib.h>

#include "tests/engine/import/import_fixture.h"
#include "tests/support/catch.h"
#include "tests/support/fake_disk.h"

namespace khipu::import {
namespace {

struct Pieces {
  std::vector<std::string> records;
  std::vector<std::string> inner;
  std::vector<std::string> damage;  // bytes
  std::vector<std::string> reasons;
  std::vector<uint64_t> lines, offsets;
  std::vector<std::string> warnings;
};

Pieces split(std::string_view input, SourceOptions options = {}) {
  tests::FakeDisk disk;
  const auto folder = disk.directory("in");
  disk.put("in/input", as_bytes(input));
  auto file = folder->open_file("input", os::Mode::kRead);
  REQUIRE(file.ok());
  auto opened = Input::open(**file);
  REQUIRE(opened.ok());
  auto splitter = make_splitter(**opened, options);
  REQUIRE(splitter.ok());
  Pieces pieces;
  for (;;) {
    auto item = (*splitter)->next();
    REQUIRE(item.ok());
    if (!*item) break;
    const Item& piece = **item;
    (piece.damage.empty() ? pieces.records : pieces.damage).emplace_back(as_text(piece.raw));
    if (!piece.damage.empty()) pieces.reasons.push_back(piece.damage);
    pieces.inner.push_back(piece.inner);
    pieces.lines.push_back(piece.line);
    pieces.offsets.push_back(piece.offset);
    CHECK(piece.end == piece.offset + piece.raw.size());
  }
  pieces.warnings = (*splitter)->warnings();
  if (!(*opened)->compressed()) {
    CHECK((*opened)->offset() == input.size());
    CHECK((*opened)->prefix_hash() == crypto::sha256(as_bytes(input)));
  }
  return pieces;
}

using Texts = std::vector<std::string>;
SourceOptions wrapped() {
  SourceOptions options;
  options.wrappers = {"Records", "items"};
  return options;
}

TEST_CASE("splitter: every container of JSON yields the same records, byte for byte") {
  const Texts expected = {R"({"a": "}{]["})", R"({"b":[1,{"c":"\"\\"}]})"};
  const std::string one = expected[0], two = expected[1];
  for (const std::string& input :
       {one + "\n" + two + "\n", one + "\r\n" + two, one + two, one + " " + two, "[" + one + "," + two + "]",
        "[\n  " + one + ",\n  " + two + "\n]\n", "{\"Records\":[" + one + "," + two + "]}",
        "{\"kind\":\"List\",\"meta\":{\"items\":[9]},\"items\":[" + one + "," + two + "],\"more\":{\"a\":[]}}\n",
        "\xEF\xBB\xBF" + one + "\n" + two, "\n\n" + one + "\n\n\n" + two,
        "{\"items\":[" + one + "]}\n{\"items\":[" + two + "]}\n", "{\"items\":[" + one + "],\"Records\":[" + two + "]}",
        one + ",\n" + two + ",\n"}) {
    INFO(input);
    const Pieces pieces = split(input, wrapped());
    CHECK(pieces.records == expected);
    CHECK(pieces.damage.empty());
    CHECK(pieces.warnings.empty());
  }
  const Pieces pretty = split("{\n  \"a\": 1\n}\n");
  CHECK(pretty.records == Texts{"{\n  \"a\": 1\n}"});
}

TEST_CASE("splitter: a member called like a wrapper is only one where the format says so") {
  const std::string record = R"({"items":[{"a":1}]})";
  CHECK(split(record).records == Texts{record});
  CHECK(split(record, wrapped()).records == Texts{"{\"a\":1}"});
  CHECK(split(R"({"x":{"items":[{"a":1}]}})", wrapped()).records.size() == 1);
}

TEST_CASE("splitter: damage in a line stays in its line") {
  const Pieces pieces = split("{\"a\":1}\n{\"cut\": [1,\nnot json\n{\"b\":2} trailing\n{\"c\":3}");
  CHECK(pieces.records == Texts{"{\"a\":1}", "{\"b\":2}", "{\"c\":3}"});
  CHECK(pieces.damage == Texts{"{\"cut\": [1,", "not json", "trailing"});
  CHECK(pieces.lines == std::vector<uint64_t>{1, 2, 3, 4, 4, 5});
  CHECK(pieces.offsets == std::vector<uint64_t>{0, 8, 20, 29, 37, 46});
}

TEST_CASE("splitter: an array that was cut off yields what it had, and says so") {
  const Pieces pieces = split("[{\"a\":1},{\"b\":2},{\"c\":");
  CHECK(pieces.records == Texts{"{\"a\":1}", "{\"b\":2}"});
  CHECK(pieces.damage == Texts{"{\"c\":"});
  CHECK(pieces.warnings.size() == 1);
  CHECK(split("{\"Records\":[{\"a\":1}", wrapped()).warnings.size() == 1);
}

TEST_CASE("splitter: a record over the limit is parked in pieces, and nothing inside it is taken for a record") {
  SourceOptions options;
  options.record_size_bytes_max = 1000;
  std::string big = "{\"a\":[";
  while (big.size() < 700000) big += "{\"b\":1},";
  const Pieces pieces = split("{\"first\":1}\n" + big + "\n{\"last\":1}\n", options);
  CHECK(pieces.records == Texts{"{\"first\":1}", "{\"last\":1}"});
  std::string parked;
  for (const std::string& piece : pieces.damage) {
    CHECK(piece.size() <= 1000);
    parked += piece;
  }
  CHECK(parked == big);
  options.container = Container::kLines;
  const Pieces lines = split("short\n" + std::string(2500, 'x') + "\nend", options);
  CHECK(lines.records == Texts{"short", "end"});
  CHECK(lines.damage.size() == 3);
}

TEST_CASE("splitter: JSON lines are known by their first line, however long it is") {
  const std::string first = "{\"a\":\"" + std::string(400000, 'x') + "\"}";
  const Pieces pieces = split(first + "\n{\"cut\": [1,\n{\"b\":2}\n{\"c\":\"cut\n{\"d\":3}\n");
  CHECK((pieces.records == Texts{first, "{\"b\":2}", "{\"d\":3}"}));
  CHECK(pieces.damage == Texts{"{\"cut\": [1,", "{\"c\":\"cut"});
  // Longer than a record may be.
  SourceOptions options;
  options.record_size_bytes_max = 100000;
  const std::string longest = "{\"a\":\"" + std::string(800000, 'x') + "\"}";
  const Pieces longer =
      split(longest + "\n{\"b\":2}\n{\"c\":\"cut\n{\"d\":3}\n{\"e\":[1,\n{\"f\":4}\n{\"g\":[\n{\"h\":5}\n", options);
  CHECK(longer.records == Texts{"{\"b\":2}", "{\"d\":3}", "{\"f\":4}", "{\"h\":5}"});
  std::string parked;
  for (const std::string& piece : longer.damage) parked += piece;
  CHECK((parked == longest + "{\"c\":\"cut{\"e\":[1,{\"g\":["));
}

TEST_CASE("splitter: a record that is cut takes nothing along of those in the lines behind it") {
  const std::string cuts[] = {R"({"a":"te)", R"({"a":"te\)", R"({"a":{"b":[1,)", R"({"a":[{"b":1},)",
                              "{\"a\":{\n   \"b\":\"te"};
  for (const std::string& cut : cuts) {
    for (const std::string& indent : {std::string(), std::string("  "), std::string(60, ' ')}) {
      INFO(cut << " behind " << indent.size());
      std::string input = "[\n";
      Texts expected;
      for (int n = 0; n < 300; ++n) {
        const bool bad = n == 2 || n == 3 || n == 120;
        const std::string record = bad ? cut : "{\"n\":" + std::to_string(n) + ",\"m\":[\n" + indent + "    {}]}";
        if (!bad) expected.push_back(record);
        input += (n == 0 ? "" : ",\n") + indent + record;
      }
      const Pieces pieces = split(input + "\n]\n");
      CHECK(pieces.records == expected);
      CHECK(pieces.warnings.empty());
      // The same in an outer object, and one after another.
      CHECK(split("{\"Records\":" + input + "\n]}\n", wrapped()).records == expected);
    }
  }
  // Where a record does not begin its line nothing tells where the next one does but a brace.
  CHECK(split("[{\"a\":\"te\n\"},{\"b\":1}]").records == Texts{"{\"b\":1}"});
  const Pieces outer = split("{\"Records\":[{\"a\":1}],\"x\":\"cut\n{\"Records\":[\n{\"b\":2}]}", wrapped());
  CHECK(outer.records == Texts{"{\"a\":1}", "{\"b\":2}"});
  CHECK(outer.warnings.size() == 1);
}

TEST_CASE("splitter: a record over the limit ends where it closes, in an array of one line too") {
  SourceOptions options;
  options.record_size_bytes_max = 1000;
  const std::string big = "{\"a\":[\"\\\"}]" + std::string(700000, 'x') + "\",{\"b\":1}]}";
  CHECK(split("[" + big + ",{\"c\":1}," + big + ",{\"d\":2}]", options).records == Texts{"{\"c\":1}", "{\"d\":2}"});
  const Pieces pretty = split("[\n  " + big + ",\n  {\n    \"c\":1\n  }\n]\n", options);
  CHECK(pretty.records == Texts{"{\n    \"c\":1\n  }"});
  CHECK(pretty.warnings.empty());
}

TEST_CASE("splitter: strings, escapes and brackets are told apart wherever they stand in a record") {
  // Of lengths around the 64 bytes that are looked at together, each part moved on by a byte at a time.
  const Texts parts = {R"("k":"}]{[")", R"("k":"\"}")", R"("k":{"l":[{}]})", R"("k":"\\")", R"("k":[[],"]"])"};
  for (const std::string& part : parts) {
    for (size_t before = 0; before < 140; ++before) {
      const std::string record = R"({"p":")" + std::string(before, 'x') + R"(",)" + part + R"(,"q":"{"})";
      const std::string end(before % 70, ' ');
      const Pieces apart = split(record + "\n" + record + end + "\n");
      CHECK(apart.records == Texts{record, record});
      const Pieces together = split("[\n" + record + "," + record + end + "]");
      CHECK(together.records == Texts{record, record});
      const Pieces cut = split(record + "\n" + record.substr(0, record.size() - 1) + "\n" + record + "\n");
      CHECK(cut.records == Texts{record, record});
      CHECK(cut.damage == Texts{record.substr(0, record.size() - 1)});
    }
  }
}

TEST_CASE("splitter: records longer than one read come whole") {
  const std::string text(600000, 'x');
  const std::string record = "{\"a\":\"" + text + "\"}";
  CHECK(split(record + "\n{\"b\":1}\n").records == Texts{record, "{\"b\":1}"});
  CHECK(split("[" + record + "," + record + "]").records == Texts{record, record});
}

TEST_CASE("splitter: gzip is known by its magic, in one member or several, a cut stream keeps what came before") {
  const std::string lines = "{\"a\":1}\n{\"b\":2}\n";
  CHECK(split(gzip(lines)).records.size() == 2);
  CHECK(split(gzip(lines) + gzip(lines)).records.size() == 4);
  std::string many;
  for (int i = 0; i < 20000; ++i) many += "{\"n\":" + std::to_string(i * 7919) + "}\n";
  const std::string packed = gzip(many);
  const Pieces cut = split(packed.substr(0, packed.size() / 2));
  CHECK(cut.records.size() > 1000);
  CHECK(cut.records.size() < 20000);
}

TEST_CASE("splitter: CSV with a column _raw yields rows with the record inside, across quotes and newlines") {
  SourceOptions options;
  options.container = Container::kJsonOrCsv;
  const Pieces pieces = split("\"_time\",\"_raw\",x\n1,\"{\"\"a\"\":\n1}\",2\r\n3,{},4\n5\n6,\"open", options);
  CHECK(pieces.records == Texts{"1,\"{\"\"a\"\":\n1}\",2", "3,{},4"});
  CHECK(pieces.inner[0] == "{\"a\":\n1}");
  CHECK(pieces.inner[1] == "{}");
  CHECK(pieces.damage == Texts{"5", "6,\"open"});
}

TEST_CASE("splitter: journal export entries end at blank lines, not inside sized values") {
  SourceOptions options;
  options.container = Container::kJsonOrExport;
  const std::string sized = std::string("A=1\nMESSAGE\n") + std::string("\x04\0\0\0\0\0\0\0", 8) + "x\n\ny\nB=2\n";
  const Pieces pieces = split(sized + "\nA=3\n\n\nA=4\nB=5", options);
  CHECK(pieces.records == Texts{sized, "A=3\n", "A=4\nB=5"});
  const Pieces damaged = split(std::string("A=1\nM\n") + std::string("\xFF\0\0\0\0\0\0\0", 8) + "x\n\nA=2\n", options);
  CHECK(damaged.records == Texts{"A=2\n"});
  CHECK(damaged.damage.size() == 1);
}

}  // namespace
}  // namespace khipu::import
