#include "mcp/protocol/revision.h"

#include "mcp/protocol/lifecycle.h"
#include "tests/support/catch.h"

using namespace khipu::mcp;
using namespace khipu::mcp::protocol;

TEST_CASE("protocol: a revision we speak is echoed") {
  for (const char* name : {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}) {
    CHECK(revision_name(negotiate(name)) == name);
  }
}

// go-sdk#1051, exa-mcp-server#421: hosts refuse an answer newer than what they asked with initialize.
TEST_CASE("protocol: any other revision, older, newer or nonsense, gets our newest legacy one") {
  for (const char* name : {"2026-07-28", "2024-10-07", "2099-01-01", "", "2025-11-25 ", "draft"}) {
    CHECK(revision_name(negotiate(name)) == "2025-11-25");
  }
}

TEST_CASE("protocol: what each revision knows") {
  CHECK_FALSE(has_annotations(Revision::k2024_11_05));
  CHECK(has_annotations(Revision::k2025_03_26));
  CHECK_FALSE(has_structured_output(Revision::k2025_03_26));
  CHECK(has_structured_output(Revision::k2025_06_18));
  CHECK_FALSE(has_server_description(Revision::k2025_06_18));
  CHECK(has_server_description(Revision::k2025_11_25));
  for (const Revision revision : kLegacyRevisions) {
    CHECK(has_batches(revision) == (revision == Revision::k2025_03_26));
  }
}

TEST_CASE("protocol: a modern claim is the key in _meta, whatever its value") {
  CHECK(claims_modern(Json::parse(R"({"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}})")));
  CHECK(claims_modern(Json::parse(R"({"_meta":{"io.modelcontextprotocol/protocolVersion":3}})")));
  CHECK_FALSE(claims_modern(Json::parse(R"({"_meta":{"progressToken":1}})")));
  CHECK_FALSE(claims_modern(Json::parse(R"({"_meta":[]})")));
  CHECK_FALSE(claims_modern(Json::object()));
}

TEST_CASE("protocol: a capability is declared with what it brings, and completions only where the revision has them") {
  Offer offer;
  offer.tools = offer.tools_change = offer.prompts = offer.resources = offer.resources_subscribe = true;
  offer.completions = offer.logging = true;
  CHECK(capabilities_json(offer, Revision::k2025_11_25).dump() ==
        R"({"tools":{"listChanged":true},"prompts":{},"resources":{"subscribe":true},"completions":{},"logging":{}})");
  CHECK_FALSE(capabilities_json(offer, Revision::k2024_11_05).contains("completions"));
  CHECK(capabilities_json({}, kModern) == OrderedJson::object());
}

TEST_CASE("protocol: what a client can be asked is what it declared and its revision knows") {
  const auto asked = [](const char* revision, const char* capabilities) {
    return parse_initialize(Json{{"protocolVersion", revision}, {"capabilities", Json::parse(capabilities)}})
        ->capabilities;
  };
  CHECK_FALSE(asked("2025-03-26", R"({"elicitation":{}})").elicitation_form);
  CHECK(asked("2025-06-18", R"({"elicitation":{}})").elicitation_form);
  CHECK_FALSE(asked("2025-06-18", R"({"elicitation":{"url":{}}})").elicitation_url);
  CHECK(asked("2025-11-25", R"({"elicitation":{"url":{}}})").elicitation_url);
  CHECK_FALSE(asked("2025-11-25", R"({"elicitation":{"url":{}}})").elicitation_form);
  CHECK(asked("2024-11-05", R"({"sampling":{},"roots":{"listChanged":true}})").sampling);
  CHECK_FALSE(asked("2025-11-25", R"({"sampling":true})").sampling);
}

TEST_CASE("protocol: initialize needs a version and nothing else") {
  const auto parsed = parse_initialize(Json::parse(
      R"({"protocolVersion":"2025-06-18","capabilities":{"elicitation":{}},"clientInfo":{"name":"c","version":"1","x":2}})"));
  REQUIRE(parsed.ok());
  CHECK(parsed->revision == Revision::k2025_06_18);
  CHECK(parsed->client.name == "c");
  CHECK(parsed->client.version == "1");
  CHECK(parse_initialize(Json::parse(R"({"protocolVersion":"x","clientInfo":7})")).ok());
  CHECK_FALSE(parse_initialize(Json::object()).ok());
  CHECK_FALSE(parse_initialize(Json::parse(R"({"protocolVersion":20250618})")).ok());
}

TEST_CASE("protocol: the initialize result declares tools and nothing that is not served") {
  Offer offer;
  offer.tools = true;
  const Implementation server{"khipu", "0.1.0", "Khipu", "An audit log", "https://example.org"};
  const OrderedJson newest = initialize_result(Revision::k2025_11_25, server, offer, "Start here.");
  CHECK(newest.dump() ==
        R"({"protocolVersion":"2025-11-25","capabilities":{"tools":{}},)"
        R"("serverInfo":{"name":"khipu","version":"0.1.0","title":"Khipu","description":"An audit log",)"
        R"("websiteUrl":"https://example.org"},"instructions":"Start here."})");
  const OrderedJson oldest = initialize_result(Revision::k2024_11_05, server, offer, "");
  CHECK(
      oldest.dump() ==
      R"({"protocolVersion":"2024-11-05","capabilities":{"tools":{}},"serverInfo":{"name":"khipu","version":"0.1.0"}})");
}

TEST_CASE("protocol: a client is named shortly, by whole letters") {
  CHECK(protocol::short_name({"host", "1.2", "", "", ""}) == "host 1.2");
  CHECK(protocol::short_name({"host", "", "", "", ""}) == "host");
  CHECK(protocol::short_name({"", "1.2", "", "", ""}) == "1.2");
  CHECK(protocol::short_name({"", "", "", "", ""}).empty());
  const std::string before(127, 'x'), letter = "\xC3\xA9";
  CHECK(protocol::short_name({before + letter, "1", "", "", ""}) == before);
  CHECK(protocol::short_name({std::string(126, 'x') + letter, "1", "", "", ""}) == std::string(126, 'x') + letter);
  CHECK(protocol::short_name({std::string(120, 'x'), std::string(6, '1') + letter, "", "", ""}) ==
        std::string(120, 'x') + " 111111");
}
