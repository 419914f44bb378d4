#include "engine/import/record_json.h"

#include <random>

#include "engine/ingest/json_scan.h"
#include "tests/support/catch.h"

namespace khipu::import {
namespace {

// simdjson's word is taken for most texts, so it may never be the milder one of the two.
void check_verdicts(RecordParser& parser, const std::string& text) {
  const bool parsed = parser.parse(text).ok();
  if (!parsed) return;
  INFO(text);
  CHECK(ingest::check_json(text).ok());
}

TEST_CASE("record json: a number that fits no 64 bits and no double is JSON all the same, and a text of its digits") {
  RecordParser parser;
  for (const std::string number : {"18446744073709551616", "1e400", "-1e400", "-9223372036854775809",
                                   "123456789012345678901234567890", "1E+999"}) {
    const std::string record =
        R"({"s":"1e400 \"1e400\" \\","n":)" + number + R"(,"l":[1,)" + number + R"(, 2.5e3 ],"e":true})";
    INFO(record);
    REQUIRE(ingest::check_json(record).ok());
    const Result<Json> parsed = parser.parse(record);
    REQUIRE(parsed.ok());
    CHECK(scalar(*parsed, {"n"}) == number);
    CHECK(text(*parsed, {"s"}) == R"(1e400 "1e400" \)");
    CHECK(simdjson::minify(*find(*parsed, {"l"})) == "[1,\"" + number + "\",2500.0]");
    CHECK(scalar(*parsed, {"e"}) == "true");
  }
  CHECK_FALSE(parser.parse(R"({"n":1e400,})").ok());
}

TEST_CASE("record json: what the scanner of the writer's side refuses is refused here, in its words") {
  RecordParser parser;
  std::vector<std::string> bad = {"",
                                  "{",
                                  "{}}",
                                  "{} {}",
                                  R"({"a":01})",
                                  R"({"a":1.})",
                                  R"({"a":+1})",
                                  R"({"a":.5})",
                                  R"({"a":1e})",
                                  R"({"a":tru})",
                                  R"({"a":nul})",
                                  R"({"a":"x})",
                                  R"({"a" 1})",
                                  R"({"a":1,})",
                                  R"({,})",
                                  R"({"a":[1,]})",
                                  R"({a:1})",
                                  R"({'a':1})",
                                  R"({"a":NaN})",
                                  R"({"a":"\x"})",
                                  R"({"a":"\ud800"})",
                                  R"({"a":"\udc00"})",
                                  R"({"a":"\ud800\ud800"})",
                                  R"({"\udc00":1})",
                                  "{\"a\":\"\x01\"}",
                                  "{\"a\":\"\n\"}",
                                  "{\"a\":\"\xFF\"}",
                                  "{\"a\":\"\xC0\x80\"}",
                                  "{\"a\":\"\xED\xA0\x80\"}",
                                  "\xEF\xBB\xBF{}",
                                  "{\"a\":1}\x00",
                                  "{\"a\":1} x",
                                  "{}\f",
                                  "/**/{}",
                                  R"({"a":1}//)"};
  bad.push_back(std::string("{\"a\":1}") + '\0');
  for (const size_t depth : {size_t{127}, size_t{128}, size_t{200}, size_t{1000}}) {
    bad.push_back(R"({"a":)" + std::string(depth, '[') + std::string(depth, ']') + "}");
  }
  size_t refused = 0;
  for (const std::string& text : bad) {
    const Result<void> scanned = ingest::check_json(text);
    const Result<Json> parsed = parser.parse(text);
    INFO(text);
    CHECK(parsed.ok() == scanned.ok());
    if (scanned.ok()) continue;
    ++refused;
    if (!parsed.ok()) CHECK(parsed.error().message == scanned.error().message);
  }
  CHECK(refused >= bad.size() - 2);
  CHECK(parser.parse(R"({"a":"\u00e9\ud83d\ude00 \n"})").ok());
  CHECK(parser.parse("[1]").error().message == "expected an object");
}

TEST_CASE("record json: of texts with bytes changed, none passes here that the scanner refuses") {
  const std::string seed =
      R"({"id":"e-1","n":[-1,2.5e3,true,false,null,{"k":{}}],"t":"a\"b\\cé","u":"\u00e9","z":18446744073709551615})";
  constexpr std::string_view kBytes = "{}[]\",:\\u0123456789eE+-.tfnrl \t\n\r\x01\x7f\x80\xc3\xed\xff";
  RecordParser parser;
  std::mt19937_64 random(11);
  size_t passed = 0;
  for (int i = 0; i < 60000; ++i) {
    std::string text = seed;
    for (uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
      const size_t at = random() % text.size();
      const char byte = kBytes[random() % kBytes.size()];
      switch (random() % 3) {
        case 0: text[at] = byte; break;
        case 1: text.insert(at, 1, byte); break;
        default: text.erase(at, 1 + random() % 3); break;
      }
    }
    check_verdicts(parser, text);
    passed += ingest::check_json(text).ok() ? 1 : 0;
  }
  CHECK(passed > 1000);  // both verdicts were seen
}

}  // namespace
}  // namespace khipu::import
