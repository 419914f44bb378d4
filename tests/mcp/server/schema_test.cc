#include "mcp/server/schema.h"

#include "mcp/server/lint.h"
#include "tests/mcp/server/harness.h"
#include "tests/support/catch.h"

using namespace khipu::mcp;
using namespace khipu::mcp::server;
using Kind = Violation::Kind;

namespace {

const char* const kSchema = R"({
  "type": "object",
  "properties": {
    "name": {"type": "string", "minLength": 2, "maxLength": 4},
    "limit": {"type": "integer", "minimum": 1, "maximum": 200},
    "share": {"type": "number", "minimum": 0},
    "order": {"type": "string", "enum": ["asc", "desc"]},
    "fixed": {"const": 7, "type": "integer"},
    "flag": {"type": "boolean"},
    "seq": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
    "match": {"type": "object", "properties": {"field": {"type": "string"}}, "required": ["field"],
              "additionalProperties": false},
    "custom": {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}}
  },
  "required": ["name"],
  "additionalProperties": false
})";

std::optional<Violation> check(const char* value) {
  return find_violation(OrderedJson::parse(kSchema), Json::parse(value));
}

void expect(const char* value, Kind kind, const std::string& path) {
  INFO(value);
  const auto violation = check(value);
  REQUIRE(violation.has_value());
  CHECK(violation->kind == kind);
  CHECK(violation->path == path);
}

}  // namespace

TEST_CASE("schema: values at every limit are allowed") {
  for (const char* value :
       {R"({"name":"ab"})", R"({"name":"abcd","limit":1})", R"({"name":"ab","limit":200,"share":0.5})",
        R"({"name":"ab","share":3,"order":"asc","fixed":7,"flag":false})", R"({"name":"éééé","seq":[1,2,3]})",
        R"({"name":"ab","match":{"field":""},"custom":{"a":"b"}})"}) {
    INFO(value);
    CHECK_FALSE(check(value).has_value());
  }
}

TEST_CASE("schema: each keyword refuses, and says where") {
  expect(R"([])", Kind::kType, "");
  expect(R"({})", Kind::kMissingMember, "name");
  expect(R"({"name":"a"})", Kind::kLength, "name");
  expect(R"({"name":"abcde"})", Kind::kLength, "name");
  expect(R"({"name":7})", Kind::kType, "name");
  expect(R"({"name":null})", Kind::kType, "name");
  expect(R"({"name":"ab","limit":0})", Kind::kRange, "limit");
  expect(R"({"name":"ab","limit":201})", Kind::kRange, "limit");
  expect(R"({"name":"ab","limit":1.0})", Kind::kType, "limit");
  expect(R"({"name":"ab","share":-0.1})", Kind::kRange, "share");
  expect(R"({"name":"ab","order":"up"})", Kind::kEnum, "order");
  expect(R"({"name":"ab","fixed":8})", Kind::kEnum, "fixed");
  expect(R"({"name":"ab","flag":0})", Kind::kType, "flag");
  expect(R"({"name":"ab","seq":[]})", Kind::kCount, "seq");
  expect(R"({"name":"ab","seq":[1,2,3,4]})", Kind::kCount, "seq");
  expect(R"({"name":"ab","seq":[1,"2"]})", Kind::kType, "seq[1]");
  expect(R"({"name":"ab","match":{}})", Kind::kMissingMember, "match.field");
  expect(R"({"name":"ab","match":{"field":"a","x":1}})", Kind::kUnknownMember, "match");
  expect(R"({"name":"ab","custom":{"a":1}})", Kind::kType, "custom.*");
  expect(R"({"user":1})", Kind::kUnknownMember, "");
}

TEST_CASE("schema: a violation names what would be right") {
  CHECK(check(R"({"name":"ab","order":"up"})")->allowed == std::vector<std::string>{"asc", "desc"});
  CHECK(check(R"({"name":"ab","order":"up"})")->got == "up");
  CHECK(check(R"({"name":"ab","limit":201})")->expected == "at most 200");
  CHECK(check(R"({"user":1})")->got == "user");
  CHECK(check(R"({"user":1})")->allowed.size() == 9);
}

namespace {

std::vector<std::string> lint_with(const std::string& input_schema) {
  protocol::ToolDefinition tool;
  tool.name = "t";
  tool.title = "T";
  tool.description = "d";
  tool.input_schema = OrderedJson::parse(input_schema);
  return lint_tool(tool);
}

std::string property(const std::string& schema) {
  return R"({"type":"object","properties":{"p":)" + schema + R"(},"additionalProperties":false})";
}

}  // namespace

TEST_CASE("lint: a schema of the subset passes") {
  CHECK(lint_with(kSchema).empty());
  CHECK(lint_with(R"({"type":"object","properties":{},"additionalProperties":false})").empty());
}

// F4 to F9, F12: for each of these some host drops the tool, or every tool, without a word.
TEST_CASE("lint: what hosts drop tools for is refused") {
  for (const std::string& schema :
       {std::string(R"({"type":"object","additionalProperties":false})"), std::string(R"({"properties":{}})"),
        std::string(R"({"type":"object","properties":{},"additionalProperties":true})"),
        std::string(R"({"$schema":"x","type":"object","properties":{},"additionalProperties":false})"),
        std::string(R"({"type":"object","properties":{},"additionalProperties":false,"oneOf":[]})"),
        std::string(R"({"type":"object","properties":{},"additionalProperties":false,"required":["p"]})"),
        std::string(R"({"type":"object","properties":{"a b":{"type":"string"}},"additionalProperties":false})"),
        property("true"), property("{}"), property(R"({"type":["string","null"]})"), property(R"({"type":"null"})"),
        property(R"({"type":"array"})"), property(R"({"$ref":"#/x"})"), property(R"({"type":"string","format":"uri"})"),
        property(R"({"type":"string","pattern":"a"})"), property(R"({"type":"string","enum":[]})"),
        property(R"({"type":"array","items":{"anyOf":[]}})"), property(R"({"type":"string","minLength":"1"})")}) {
    INFO(schema);
    CHECK_FALSE(lint_with(schema).empty());
  }
}

TEST_CASE("server: tools that hosts would drop do not register, nor two of one name") {
  const auto message = [](auto change) {
    khipu::tests::Harness harness;
    auto tool = std::make_unique<khipu::tests::FunctionTool>("t", nullptr);
    change(tool->info());
    harness.add(std::move(tool));
    const auto created = Server::create(harness.options, {std::move(harness.tools)});
    return created.ok() ? std::string() : created.error().message;
  };
  CHECK(message([](ToolInfo&) {}).empty());
  CHECK_THAT(message([](ToolInfo& info) { info.name = "echo"; }), ContainsSubstring("twice"));
  CHECK_THAT(message([](ToolInfo& info) { info.name = "a b"; }), ContainsSubstring("name"));
  CHECK_THAT(message([](ToolInfo& info) { info.name = std::string(41, 'a'); }), ContainsSubstring("name"));
  CHECK_THAT(message([](ToolInfo& info) { info.title.clear(); }), ContainsSubstring("title"));
  CHECK_THAT(message([](ToolInfo& info) { info.description = std::string(2001, 'a'); }), ContainsSubstring("2000"));
  CHECK_THAT(message([](ToolInfo& info) { info.input_schema = "{"; }), ContainsSubstring("not JSON"));
  CHECK_THAT(message([](ToolInfo& info) { info.output_schema = "[]"; }), ContainsSubstring("outputSchema"));
}
