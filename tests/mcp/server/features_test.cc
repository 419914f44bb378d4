// Resources, prompts, completion, logging, subscriptions and questions to the client, in legacy revisions.
#include "tests/mcp/server/offering.h"
#include "tests/support/catch.h"

using namespace khipu;
using namespace khipu::tests;
using mcp::Json;

namespace {

Json ask(Harness& harness, const std::string& method, const Json& params = Json::object()) {
  harness.outbox = std::make_unique<MemoryOutbox>();
  harness.send(request(7, method, params));
  harness.outbox->wait_for_done(1);  // the outbox is ours again from here on
  return harness.outbox->responses().at(0);
}

}  // namespace

TEST_CASE("features: what is offered is declared, and nothing else") {
  Harness bare;
  bare.start();
  bare.send(initialize_request("2025-11-25"));
  CHECK(bare.outbox->responses()[0]["result"]["capabilities"] == Json::parse(R"({"tools":{}})"));
  Offering full;
  full.start();
  full.send(initialize_request("2025-11-25"));
  CHECK(full.outbox->responses()[0]["result"]["capabilities"] ==
        Json::parse(R"({"tools":{"listChanged":true},"prompts":{"listChanged":true},
                        "resources":{"listChanged":true,"subscribe":true},"completions":{},"logging":{}})"));
}

TEST_CASE("features: resources are listed page by page, with opaque cursors, and an unknown one is -32602") {
  Offering harness;
  harness.initialize();
  const Json first = ask(harness, "resources/list")["result"];
  CHECK(first["resources"][0]["uri"] == "audit://a");
  CHECK(first["resources"][0]["annotations"]["lastModified"] == "2026-01-01T00:00:00Z");
  const Json second = ask(harness, "resources/list", {{"cursor", first["nextCursor"]}})["result"];
  CHECK(second["resources"][0]["uri"] == "audit://b");
  CHECK_FALSE(second.contains("nextCursor"));
  CHECK(ask(harness, "resources/list", {{"cursor", "third"}})["error"]["code"] == -32602);
  CHECK(ask(harness, "resources/list", {{"cursor", ""}})["error"]["code"] == -32602);
  CHECK(ask(harness, "resources/templates/list")["result"]["resourceTemplates"][0]["uriTemplate"] ==
        "audit://event/{seq}");
}

TEST_CASE("features: what an old revision does not know is left out of a resource") {
  Offering harness;
  harness.initialize("2024-11-05");
  const Json resource = ask(harness, "resources/list")["result"]["resources"][0];
  CHECK(resource == Json::parse(R"({"uri":"audit://a","name":"a","description":"First","mimeType":"text/plain"})"));
  CHECK(ask(harness, "completion/complete")["error"]["code"] == -32602);  // known since the first revision
}

TEST_CASE("features: a resource is text or base64, and a missing one is -32002 with its URI") {
  Offering harness;
  harness.initialize();
  const Json contents = ask(harness, "resources/read", {{"uri", "audit://a"}})["result"]["contents"];
  CHECK(contents[0]["text"] == "hello");
  CHECK(contents[1]["blob"] == "/wA=");
  CHECK_FALSE(contents[1].contains("text"));
  const Json missing = ask(harness, "resources/read", {{"uri", "audit://nope"}})["error"];
  CHECK(missing["code"] == -32002);
  CHECK(missing["data"]["uri"] == "audit://nope");
  CHECK(ask(harness, "resources/read", {{"uri", "audit://io"}})["error"]["code"] == -32603);
}

TEST_CASE("features: what is no URI, or a way out of one, is -32602") {
  Offering harness;
  harness.initialize();
  for (const char* uri : {"", "audit", "audit:", "1a:b", "audit://a\u0007", "audit://a/../b", "audit://..", "a b:c",
                          "file:///a/./b", "audit://\u00e9"}) {
    INFO(uri);
    CHECK(ask(harness, "resources/read", {{"uri", uri}})["error"]["code"] == -32602);
  }
  CHECK(ask(harness, "resources/read", {{"uri", 7}})["error"]["code"] == -32602);
  CHECK(ask(harness, "resources/read", {{"uri", "audit://a..b/c"}})["error"]["code"] == -32002);
}

TEST_CASE("features: a prompt needs its required arguments and takes no others") {
  Offering harness;
  harness.initialize();
  CHECK(ask(harness, "prompts/list")["result"]["prompts"][0]["arguments"][0]["required"] == true);
  const Json got = ask(harness, "prompts/get", {{"name", "investigate"}, {"arguments", {{"actor", "u-1"}}}});
  CHECK(got["result"]["messages"][0]["content"]["text"] == "Look at u-1.");
  CHECK(got["result"]["messages"][0]["role"] == "user");
  for (const char* params :
       {R"({"name":"investigate"})", R"({"name":"nope"})", R"({})", R"({"name":"investigate","arguments":{"actor":1}})",
        R"({"name":"investigate","arguments":{"actor":"a","x":"b"}})"}) {
    INFO(params);
    CHECK(ask(harness, "prompts/get", Json::parse(params))["error"]["code"] == -32602);
  }
}

TEST_CASE("features: a completion has at most a hundred values, and says how many there are") {
  Offering harness;
  harness.initialize();
  const auto complete = [&](const char* ref, const char* argument, const char* value) {
    return ask(harness, "completion/complete",
               {{"ref", Json::parse(ref)}, {"argument", {{"name", argument}, {"value", value}}}});
  };
  const char* prompt = R"({"type":"ref/prompt","name":"investigate"})";
  const Json all = complete(prompt, "actor", "u-")["result"]["completion"];
  CHECK(all["values"].size() == 100);
  CHECK(all["total"] == 150);
  CHECK(all["hasMore"] == true);
  const Json some = complete(prompt, "actor", "u-14")["result"]["completion"];
  CHECK(some["values"].size() == 11);
  CHECK(some["hasMore"] == false);
  CHECK(complete(prompt, "nope", "")["error"]["code"] == -32602);
  CHECK(complete(R"({"type":"ref/prompt","name":"nope"})", "actor", "")["error"]["code"] == -32602);
  CHECK(complete(R"({"type":"ref/other"})", "actor", "")["error"]["code"] == -32602);
}

TEST_CASE("features: a completion is told to the observer before its answer leaves, and may be refused") {
  struct Watcher final : mcp::server::CallObserver {
    void finished(const mcp::server::Tool&, const Json&, mcp::server::CallContext&, mcp::server::ToolResult&) override {
    }
    void completed(const std::string& argument, mcp::server::CallContext&,
                   Result<mcp::server::Completion>& result) override {
      told.push_back(argument + " " + std::to_string(result->values.size()));
      if (refuses) result = Error{Code::kIo, "not recorded"};
    }
    std::vector<std::string> told;
    bool refuses = false;
  } watcher;
  Offering harness;
  harness.options.observer = &watcher;
  harness.initialize("2025-11-25");
  const Json params = {{"ref", {{"type", "ref/prompt"}, {"name", "investigate"}}},
                       {"argument", {{"name", "actor"}, {"value", "u-14"}}}};
  CHECK(ask(harness, "completion/complete", params).contains("result"));
  CHECK(watcher.told == std::vector<std::string>{"actor 11"});
  watcher.refuses = true;
  CHECK(ask(harness, "completion/complete", params)["error"]["code"] == -32603);
}

TEST_CASE("features: a session hears of what it subscribed to, until it does not want to") {
  Offering harness;
  harness.initialize();
  CHECK(ask(harness, "resources/subscribe", {{"uri", "audit://a"}})["result"] == Json::object());
  CHECK(ask(harness, "resources/subscribe", {{"uri", "audit://secret"}})["error"]["code"] == -32002);
  harness.changes.resource_updated("audit://a");
  harness.changes.resource_updated("audit://b");
  harness.changes.tools_changed();
  const auto told = harness.outbox->notifications();
  REQUIRE(told.size() == 2);
  CHECK(told[0] ==
        Json::parse(R"({"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"audit://a"}})"));
  CHECK(told[1]["method"] == "notifications/tools/list_changed");
  CHECK(ask(harness, "resources/unsubscribe", {{"uri", "audit://a"}})["result"] == Json::object());
  harness.changes.resource_updated("audit://a");
  CHECK(harness.outbox->notifications().empty());
}

TEST_CASE("features: log messages come from the level the session set, and a wrong level is -32602") {
  Offering harness;
  harness.initialize();
  CHECK(ask(harness, "tools/call", {{"name", "log"}}).contains("result"));
  CHECK(harness.outbox->notifications().size() == 2);
  CHECK(ask(harness, "logging/setLevel", {{"level", "error"}})["result"] == Json::object());
  ask(harness, "tools/call", {{"name", "log"}});
  REQUIRE(harness.outbox->notifications().size() == 1);
  CHECK(harness.outbox->notifications()[0]["params"] == Json::parse(R"({"level":"error","data":"failed"})"));
  CHECK(ask(harness, "logging/setLevel", {{"level", "loud"}})["error"]["code"] == -32602);
}

TEST_CASE("features: a handler's question becomes a request to a legacy client, and its answer goes back") {
  Offering harness;
  harness.start();
  Json hello = initialize_request("2025-06-18");
  hello["params"]["capabilities"]["elicitation"] = Json::object();
  harness.send(hello);
  harness.outbox = std::make_unique<MemoryOutbox>();
  harness.call(1, "ask");
  while (harness.outbox->notifications().empty()) std::this_thread::yield();
  const Json asked = harness.outbox->notifications()[0];
  CHECK(asked["method"] == "elicitation/create");
  CHECK(asked["params"]["message"] == "Who?");
  SECTION("accepted") {
    harness.send(Json{{"jsonrpc", "2.0"}, {"id", 99}, {"result", {{"action", "accept"}}}});  // to nothing we asked
    harness.send(Json{{"jsonrpc", "2.0"}, {"id", asked["id"]}, {"result", {{"action", "accept"}}}});
    const Json result = harness.outbox->wait_for_responses(1)[0]["result"];
    CHECK(result["content"][0]["text"] == R"(asked: {"action":"accept"})");
  }
  SECTION("refused") {
    harness.send(Json{{"jsonrpc", "2.0"}, {"id", asked["id"]}, {"error", {{"code", -1}, {"message", "no"}}}});
    const Json result = harness.outbox->wait_for_responses(1)[0]["result"];
    CHECK(result["isError"] == true);
    CHECK_THAT(result["content"][0]["text"].get<std::string>(), ContainsSubstring("INPUT_REFUSED"));
  }
  SECTION("cancelled while it waits") {
    harness.send(notification("notifications/cancelled", {{"requestId", 1}}));
    REQUIRE(harness.session->drain(std::chrono::minutes(1)));
    CHECK(harness.outbox->responses().empty());
  }
}

TEST_CASE("features: a client that did not declare it is not asked") {
  Offering harness;
  harness.initialize("2025-11-25");
  harness.call(1, "ask");
  const Json result = harness.outbox->wait_for_responses(1)[0]["result"];
  CHECK(result["isError"] == true);
  CHECK_THAT(result["content"][0]["text"].get<std::string>(), ContainsSubstring("CLIENT_CAPABILITY_MISSING"));
  CHECK(harness.outbox->notifications().empty());
}
