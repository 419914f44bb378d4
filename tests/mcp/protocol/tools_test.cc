#include "mcp/protocol/tools.h"

#include <limits>

#include "tests/support/catch.h"

using namespace khipu::mcp;
using namespace khipu::mcp::protocol;

namespace {

ToolDefinition definition() {
  ToolDefinition tool;
  tool.name = "t";
  tool.title = "T";
  tool.description = "d";
  tool.input_schema =
      OrderedJson::parse(R"({"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"}}})");
  tool.output_schema = OrderedJson::parse(R"({"type":"object","properties":{}})");
  tool.result_size_chars_max = 60'000;
  return tool;
}

std::string text_of(const CallResult& result, Revision revision) {
  std::string text;
  append_call_result(text, result, revision, {"s", "1", "", "", ""});
  return text;
}
OrderedJson json_of(const CallResult& result, Revision revision) {
  return OrderedJson::parse(text_of(result, revision));
}

}  // namespace

TEST_CASE("protocol: a tool's schema keeps the order of its properties") {
  const std::string text = tool_definition_json(definition(), Revision::k2025_11_25).dump();
  CHECK(text.find("\"z\"") < text.find("\"a\""));
}

TEST_CASE("protocol: members of a tool that a revision does not know are left out") {
  const auto has = [](Revision revision, const char* member) {
    return tool_definition_json(definition(), revision).contains(member);
  };
  for (const char* member : {"title", "outputSchema", "_meta"}) {
    CHECK_FALSE(has(Revision::k2024_11_05, member));
    CHECK_FALSE(has(Revision::k2025_03_26, member));
    CHECK(has(Revision::k2025_06_18, member));
  }
  CHECK_FALSE(has(Revision::k2024_11_05, "annotations"));
  CHECK(has(Revision::k2025_03_26, "annotations"));
}

TEST_CASE("protocol: all four hints are sent, the defaults being pessimistic") {
  const OrderedJson hints = tool_definition_json(definition(), Revision::k2025_11_25)["annotations"];
  CHECK(hints["readOnlyHint"] == true);
  CHECK(hints["destructiveHint"] == false);
  CHECK(hints["idempotentHint"] == true);
  CHECK(hints["openWorldHint"] == false);
}

TEST_CASE("protocol: a call without arguments, or with null for them, has none") {
  CHECK(parse_call(Json::parse(R"({"name":"t"})"))->arguments == Json::object());
  CHECK(parse_call(Json::parse(R"({"name":"t","arguments":null})"))->arguments == Json::object());
  CHECK_FALSE(parse_call(Json::parse(R"({"name":"t","arguments":[]})")).ok());
  CHECK_FALSE(parse_call(Json::parse(R"({"arguments":{}})")).ok());
  CHECK_FALSE(parse_call(Json::parse(R"({"name":7})")).ok());
}

TEST_CASE("protocol: a progress token is a string or an integer, anything else is no token") {
  const auto token = [](const char* text) {
    return parse_progress_token(Json::parse(R"({"name":"t","_meta":{"progressToken":)" + std::string(text) + "}}"));
  };
  CHECK(token("\"p\"")->to_json() == "p");
  CHECK(token("0")->to_json() == 0);
  CHECK_FALSE(token("null").has_value());
  CHECK_FALSE(token("1.5").has_value());
}

TEST_CASE("protocol: a result is text, and the structured form where the revision has one") {
  CallResult result;
  result.text = "x";
  result.structured = OrderedJson{{"a", 1}};
  CHECK(text_of(result, Revision::k2025_06_18) ==
        R"({"content":[{"type":"text","text":"x"}],"structuredContent":{"a":1}})");
  CHECK(text_of(result, Revision::k2025_03_26) == R"({"content":[{"type":"text","text":"x"}]})");
  result.is_error = true;
  CHECK(json_of(result, Revision::k2025_06_18)["isError"] == true);
}

TEST_CASE("protocol: a modern result says that it is complete, and whose it is") {
  CallResult result;
  result.text = "x\n\"";
  result.is_error = true;
  result.meta = {{"a", 1}};
  CHECK(text_of(result, kModern) ==
        R"({"content":[{"type":"text","text":"x\n\""}],"isError":true,"resultType":"complete",)"
        R"("_meta":{"a":1,"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}})");
  CHECK(text_of(result, Revision::k2024_11_05) ==
        R"({"content":[{"type":"text","text":"x\n\""}],"isError":true,"_meta":{"a":1}})");
}

TEST_CASE("protocol: the blocks of a result follow its text, which is there when nothing else is") {
  CallResult result;
  CHECK(text_of(result, kModern).starts_with(R"({"content":[{"type":"text","text":""}],)"));
  result.content = {TextContent{"a"}, ImageContent{{1, 2, 3}, "image/png"}};
  result.links.push_back({"u:", "n", "m/m"});
  const OrderedJson blocks = json_of(result, Revision::k2025_06_18)["content"];
  REQUIRE(blocks.size() == 3);
  CHECK(blocks[0].dump() == R"({"type":"text","text":"a"})");
  CHECK(blocks[1]["type"] == "image");
  CHECK(blocks[2]["type"] == "resource_link");
  result.text = "t";
  CHECK(json_of(result, Revision::k2025_06_18)["content"][0].dump() == R"({"type":"text","text":"t"})");
  CHECK(json_of(result, Revision::k2025_06_18)["content"].size() == 4);
}

TEST_CASE("protocol: a resource link is a line of text where the revision has no such block") {
  CallResult result;
  result.links.push_back({"audit://proof/7", "proof of 7", "application/json"});
  CHECK(json_of(result, Revision::k2025_06_18)["content"][1]["type"] == "resource_link");
  CHECK(json_of(result, Revision::k2024_11_05)["content"][1].dump() ==
        R"({"type":"text","text":"proof of 7: audit://proof/7"})");
}

TEST_CASE("protocol: progress carries no null, no infinity, and a message only where it is known") {
  Progress progress{1, std::numeric_limits<double>::infinity(), "half"};
  const jsonrpc::Id token(std::string("t"));
  CHECK(progress_json(token, progress, Revision::k2024_11_05).dump() == R"({"progressToken":"t","progress":1.0})");
  progress.total = 2;
  CHECK(progress_json(token, progress, Revision::k2025_03_26).dump() ==
        R"({"progressToken":"t","progress":1.0,"total":2.0,"message":"half"})");
}

TEST_CASE("protocol: a cancellation names an id or is ignored") {
  CHECK(parse_cancelled(Json::parse(R"({"requestId":"a","reason":"x"})"))->to_json() == "a");
  CHECK_FALSE(parse_cancelled(Json::object()).has_value());
  CHECK_FALSE(parse_cancelled(Json::parse(R"({"requestId":null})")).has_value());
}
