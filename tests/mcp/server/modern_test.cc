// The modern era over lines: envelope, versions, discovery, pinning, subscriptions, and questions in rounds.
#include "tests/mcp/server/offering.h"
#include "tests/support/catch.h"

using namespace khipu;
using namespace khipu::tests;
using mcp::Json;

namespace {

Json ask(Harness& harness, const std::string& method, const Json& params, const Json& id = 7) {
  harness.send(request(id, method, params));
  harness.outbox->wait_for_done(1);  // the outbox is ours again from here on
  const auto before = harness.outbox->responses();
  harness.outbox = std::make_unique<MemoryOutbox>();
  return before.back();
}

}  // namespace

TEST_CASE("modern: discovery names the modern revision only, and does not settle the era") {
  Offering harness;
  harness.start();
  const Json found = ask(harness, "server/discover", modern(), "server-discover-probe-1")["result"];
  CHECK(found["supportedVersions"] == Json::array({"2026-07-28"}));
  CHECK(found["resultType"] == "complete");
  CHECK(found["cacheScope"] == "private");
  CHECK(found["ttlMs"] == 300'000);
  CHECK(found["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "khipu");
  CHECK(found["capabilities"]["resources"]["subscribe"] == true);
  // github/app#3582: hosts discover, then initialize the same process.
  CHECK(ask(harness, "initialize", initialize_request("2025-11-25")["params"])["result"]["protocolVersion"] ==
        "2025-11-25");
}

TEST_CASE("modern: any other modern request settles the era, and initialize is then -32022") {
  Offering harness;
  harness.start();
  CHECK(ask(harness, "tools/list", modern())["result"]["resultType"] == "complete");
  const Json refused = ask(harness, "initialize", initialize_request("2025-11-25")["params"])["error"];
  CHECK(refused["code"] == -32022);
  CHECK(refused["data"] == Json::parse(R"({"supported":["2026-07-28"],"requested":"2025-11-25"})"));
  CHECK(ask(harness, "tools/list", Json::object())["error"]["code"] == -32602);
}

TEST_CASE("modern: what is missing in the envelope is named") {
  Offering harness;
  harness.start();
  for (const char* method : {"server/discover", "subscriptions/listen"}) {
    const Json refused = ask(harness, method, Json::object())["error"];
    CHECK(refused["code"] == -32602);
    CHECK_THAT(refused["message"].get<std::string>(), ContainsSubstring("io.modelcontextprotocol/protocolVersion"));
  }
  Json params = modern();
  params["_meta"].erase("io.modelcontextprotocol/clientCapabilities");
  CHECK_THAT(ask(harness, "tools/list", params)["error"]["message"].get<std::string>(),
             ContainsSubstring("clientCapabilities"));
  params = modern();
  params["_meta"]["io.modelcontextprotocol/logLevel"] = "loud";
  CHECK(ask(harness, "tools/list", params)["error"]["code"] == -32602);
}

TEST_CASE("modern: a version we do not serve is -32022 with ours and theirs") {
  Offering harness;
  harness.start();
  for (const char* version : {"v999.0.0", "2025-11-25", ""}) {
    const Json refused = ask(harness, "tools/list", modern({}, Json::object(), version))["error"];
    CHECK(refused["code"] == -32022);
    CHECK(refused["data"]["supported"] == Json::array({"2026-07-28"}));
    CHECK(refused["data"]["requested"] == version);
  }
}

TEST_CASE("modern: methods of the legacy eras and undeclared ones are -32601") {
  Harness harness;
  harness.start();
  for (const char* method : {"ping", "logging/setLevel", "resources/subscribe", "resources/list", "prompts/get",
                             "subscriptions/listen", "unknown/method"}) {
    INFO(method);
    CHECK(ask(harness, method, modern())["error"]["code"] == -32601);
  }
}

TEST_CASE("modern: six results say how long they may be kept, a call does not") {
  Offering harness;
  harness.start();
  for (const char* method : {"tools/list", "prompts/list", "resources/list", "resources/templates/list"}) {
    INFO(method);
    const Json result = ask(harness, method, modern())["result"];
    CHECK(result["ttlMs"].is_number_integer());
    CHECK(result["cacheScope"] == "private");
  }
  const Json read = ask(harness, "resources/read", modern({{"uri", "audit://a"}}))["result"];
  CHECK(read["ttlMs"] == 1000);
  CHECK(read["cacheScope"] == "public");
  CHECK_FALSE(ask(harness, "tools/call", modern({{"name", "echo"}}))["result"].contains("ttlMs"));
}

TEST_CASE("modern: a missing resource is -32602 with its URI") {
  Offering harness;
  harness.start();
  const Json missing = ask(harness, "resources/read", modern({{"uri", "audit://nope"}}))["error"];
  CHECK(missing["code"] == -32602);
  CHECK(missing["data"]["uri"] == "audit://nope");
}

TEST_CASE("modern: log messages only for a request that set a level") {
  Offering harness;
  harness.start();
  harness.send(request(1, "tools/call", modern({{"name", "log"}})));
  harness.outbox->wait_for_responses(1);
  CHECK(harness.outbox->notifications().empty());
  Json params = modern({{"name", "log"}});
  params["_meta"]["io.modelcontextprotocol/logLevel"] = "warning";
  harness.send(request(2, "tools/call", params));
  harness.outbox->wait_for_responses(2);
  REQUIRE(harness.outbox->notifications().size() == 1);
  CHECK(harness.outbox->notifications()[0]["params"]["level"] == "error");
}

TEST_CASE("modern: a subscription is acknowledged first, filtered, tagged, and ends with a result") {
  Offering harness;
  harness.start();
  const Json wanted = {{"toolsListChanged", true}, {"resourceSubscriptions", {"audit://a", "audit://secret"}}};
  harness.send(request("listen:0", "subscriptions/listen", modern({{"notifications", wanted}})));
  const Json ack = harness.outbox->notifications().at(0);
  CHECK(ack["method"] == "notifications/subscriptions/acknowledged");
  CHECK(ack["params"]["notifications"] ==
        Json::parse(R"({"toolsListChanged":true,"resourceSubscriptions":["audit://a"]})"));
  harness.changes.prompts_changed();
  harness.changes.resource_updated("audit://b");
  harness.changes.tools_changed();
  harness.changes.resource_updated("audit://a");
  const auto told = harness.outbox->notifications();
  REQUIRE(told.size() == 3);
  CHECK(told[1]["method"] == "notifications/tools/list_changed");
  CHECK(told[2]["params"]["uri"] == "audit://a");
  for (const Json& each : told) {
    CHECK(each["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "listen:0");
  }
  CHECK(harness.outbox->responses().empty());
  SECTION("the client ends it: nothing more comes") {
    harness.send(notification("notifications/cancelled", {{"requestId", "listen:0"}}));
    harness.changes.tools_changed();
    REQUIRE(harness.session->drain(std::chrono::seconds(1)));
    CHECK(harness.outbox->lines().size() == 3);
  }
  SECTION("the server ends: its result, tagged") {
    REQUIRE(harness.session->drain(std::chrono::seconds(1)));
    const Json end = harness.outbox->responses().at(0);
    CHECK(end["id"] == "listen:0");
    CHECK(end["result"]["resultType"] == "complete");
    CHECK(end["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "listen:0");
  }
}

TEST_CASE("modern: a question is a result, and its answer with its state completes the call") {
  Offering harness;
  harness.start();
  const Json forms = {{"elicitation", Json::object()}};
  const Json first =
      ask(harness, "tools/call", modern({{"name", "ask"}, {"arguments", {{"text", "a"}}}}, forms))["result"];
  CHECK(first["resultType"] == "input_required");
  CHECK(first["inputRequests"]["name"]["method"] == "elicitation/create");
  CHECK_FALSE(first.contains("ttlMs"));
  const std::string state = first["requestState"].get<std::string>();
  Json again = modern({{"name", "ask"}, {"arguments", {{"text", "a"}}}, {"requestState", state}}, forms);
  again["inputResponses"] = {{"name", {{"action", "accept"}}}, {"unknown", Json::object()}};
  const auto code = [&](const Json& params) {
    const Json response = ask(harness, "tools/call", params);
    return response.contains("error") ? response["error"]["code"].get<int>() : 0;
  };
  SECTION("complete") {
    const Json second = ask(harness, "tools/call", again, "another id")["result"];
    CHECK(second["resultType"] == "complete");
    CHECK(second["content"][0]["text"] == R"(asked: {"action":"accept"})");
  }
  SECTION("a wrong key asks again") {
    again["inputResponses"] = {{"other", Json::object()}};
    CHECK(ask(harness, "tools/call", again)["result"]["resultType"] == "input_required");
  }
  SECTION("a state that was altered, or is of another call, is -32602") {
    Json altered = again;
    altered["requestState"] = state + "-TAMPERED";
    CHECK(code(altered) == -32602);
    altered["requestState"] = "";
    CHECK(code(altered) == -32602);
    altered["requestState"] = 7;
    CHECK(code(altered) == -32602);
    for (size_t at = 0; at < state.size(); ++at) {
      std::string flipped = state;
      flipped[at] = flipped[at] == 'A' ? 'B' : 'A';
      altered["requestState"] = flipped;
      CHECK(code(altered) == -32602);
    }
    altered = again;
    altered["arguments"]["text"] = "b";
    CHECK(code(altered) == -32602);
  }
  SECTION("answers that are none are -32602") {
    for (const char* answers : {"7", "null", "[]", R"({"name":"text"})"}) {
      again["inputResponses"] = Json::parse(answers);
      CHECK(code(again) == -32602);
    }
  }
}

TEST_CASE("modern: a state is good for its time and its caller") {
  Offering harness;
  harness.options.state_ttl_ms = -1;
  harness.start();
  const Json forms = {{"elicitation", Json::object()}};
  const Json first = ask(harness, "tools/call", modern({{"name", "ask"}}, forms))["result"];
  Json again = modern({{"name", "ask"}, {"requestState", first["requestState"]}}, forms);
  CHECK(ask(harness, "tools/call", again)["error"]["code"] == -32602);
}

TEST_CASE("modern: a question the client did not declare is -32021, naming what it would take") {
  Offering harness;
  harness.start();
  const Json refused = ask(harness, "tools/call", modern({{"name", "ask"}}, {{"sampling", Json::object()}}))["error"];
  CHECK(refused["code"] == -32021);
  CHECK(refused["data"]["requiredCapabilities"] == Json::parse(R"({"elicitation":{"form":{}}})"));
}
