#include "mcp/tools/arguments.h"

#include "tests/support/catch.h"

using namespace khipu::mcp;
using namespace khipu::mcp::tools;

namespace {

const char* const kSchema = R"({
  "type": "object",
  "properties": {
    "from": {"type": "string"},
    "actor": {"type": "array", "items": {"type": "string"}},
    "actor_match": {"type": "object", "properties": {"type": {"type": "string"}, "value": {"type": "string"}},
                    "required": ["value"], "additionalProperties": false},
    "limit": {"type": "integer", "minimum": 1, "maximum": 200},
    "order": {"type": "string", "enum": ["asc", "desc"]},
    "proof": {"type": "boolean"}
  },
  "additionalProperties": false
})";

Arguments taken(const char* arguments) {
  auto checked = check_arguments(OrderedJson::parse(kSchema), Json::parse(arguments));
  REQUIRE(std::holds_alternative<Arguments>(checked));
  return std::get<Arguments>(std::move(checked));
}

server::ToolError refused(const std::string& arguments) {
  auto checked = check_arguments(OrderedJson::parse(kSchema), Json::parse(arguments));
  REQUIRE(std::holds_alternative<server::ToolError>(checked));
  return std::get<server::ToolError>(std::move(checked));
}

}  // namespace

TEST_CASE("arguments: what fits is taken as it is") {
  const Arguments arguments = taken(R"({"actor":["a"],"limit":5,"actor_match":{"value":"x"}})");
  CHECK(arguments.values == Json::parse(R"({"actor":["a"],"limit":5,"actor_match":{"value":"x"}})"));
  CHECK(arguments.coercions.empty());
}

// F22, anthropics/claude-code#5504: hosts send declared arrays, objects and numbers as text.
TEST_CASE("arguments: what a host mangled is taken as it was meant, and each change is told") {
  const auto values = [](const char* given) { return taken(given).values; };
  CHECK(values(R"({"actor":"alice"})") == Json::parse(R"({"actor":["alice"]})"));
  CHECK(values(R"({"actor":"[\"a\",\"b\"]"})") == Json::parse(R"({"actor":["a","b"]})"));
  CHECK(values(R"({"actor":7})") == Json::parse(R"({"actor":["7"]})"));
  CHECK(values(R"({"limit":"25"})") == Json::parse(R"({"limit":25})"));
  CHECK(values(R"({"limit":25.0})") == Json::parse(R"({"limit":25})"));
  CHECK(values(R"({"proof":"true"})") == Json::parse(R"({"proof":true})"));
  CHECK(values(R"({"from":1780000000000000})") == Json::parse(R"({"from":"1780000000000000"})"));
  CHECK(values(R"({"actor_match":"{\"value\":\"x\"}"})") == Json::parse(R"({"actor_match":{"value":"x"}})"));
  CHECK(values(R"({"limit":null})") == Json::object());
  CHECK(taken(R"({"limit":"25","actor":"a"})").coercions ==
        std::vector<std::string>{"actor: a bare value taken as a list of one", "limit: text taken as integer"});
  CHECK(values(R"({"from":"[1]"})") == Json::parse(R"({"from":"[1]"})"));  // a text stays a text where one is declared
}

TEST_CASE("arguments: an unknown one is named, with the valid ones and the nearest") {
  const auto error = refused(R"({"actor_type":"user"})");
  CHECK(error.code == "UNKNOWN_ARGUMENT");
  CHECK(error.field == "actor_type");
  CHECK(error.allowed.size() == 6);
  CHECK(error.did_you_mean == "actor");
  CHECK(refused(R"({"actor_match":{"value":"x","typ":"y"}})").field == "actor_match.typ");
  CHECK(refused(R"({"actor_match":{"value":"x","typ":"y"}})").did_you_mean == "type");
}

TEST_CASE("arguments: what is wrong with a value is said in a sentence") {
  CHECK(refused(R"({"limit":500})").hint == "\"limit\" must be at most 200.");
  CHECK(refused(R"({"limit":500})").got == "500");
  CHECK(refused(R"({"limit":"many"})").hint == "\"limit\" must be an integer.");
  CHECK(refused(R"({"actor_match":{}})").hint == "\"actor_match.value\" is required.");
  CHECK(refused(R"({"actor":[1.5]})").field == "actor[0]");
  const auto error = refused(R"({"order":"dessc"})");
  CHECK(error.code == "UNKNOWN_VALUE");
  CHECK(error.allowed == std::vector<std::string>{"asc", "desc"});
  CHECK(error.did_you_mean == "desc");
}

TEST_CASE("arguments: the caller's bytes are rendered and capped in the error") {
  const auto error = refused(Json{{"x\u001b\u27e7" + std::string(200, 'y'), 1}}.dump());
  CHECK(error.got.find('\x1b') == std::string::npos);
  CHECK(error.got.size() < 120);
  CHECK_THAT(error.got, ContainsSubstring("\\u{1B}"));
  const server::ToolResult result = server::error_result(error);
  CHECK(result.is_error);
  CHECK(result.text.find('\x1b') == std::string::npos);
  CHECK((*result.structured)["error"]["code"] == "UNKNOWN_ARGUMENT");
}

TEST_CASE("arguments: a text of a hundred thousand brackets is no array and no danger") {
  const auto error = refused(Json{{"limit", std::string(100'000, '[')}}.dump());
  CHECK(error.code == "INVALID_ARGUMENT");
}

TEST_CASE("arguments: an error's text holds its code and all that helps") {
  server::ToolError error;
  error.code = "UNKNOWN_TYPE";
  error.hint = "Unknown entity type \"acount\".";
  error.got = "acount";
  error.allowed = {"account", "user"};
  error.did_you_mean = "account";
  error.retry_after_s = 2;
  CHECK(
      server::error_result(error).text ==
      "UNKNOWN_TYPE: Unknown entity type \"acount\". Valid: account, user. Did you mean \"account\"? Retry after 2 s.");
}

TEST_CASE("arguments: the nearest word, or none") {
  const std::vector<std::string> words = {"actor", "target", "from", "to"};
  CHECK(nearest("acter", words) == "actor");
  CHECK(nearest("Targets", words) == "target");
  CHECK(nearest("fro", words) == "from");
  CHECK(nearest("zzzz", words).empty());
  CHECK(nearest("", words).empty());
  CHECK(nearest(std::string(1000, 'a'), words).empty());
}
