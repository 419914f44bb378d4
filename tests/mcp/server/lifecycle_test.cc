// Handshake, eras, dispatch and errors (mcp/README.md), and complaints in the field that a stdio server can cause.
#include "tests/mcp/server/harness.h"
#include "tests/support/catch.h"

using namespace khipu;
using namespace khipu::tests;
using mcp::Json;

namespace {

// The one response to one message, in a session that has not begun.
Json opening(const Json& message) {
  Harness harness;
  harness.start();
  harness.send(message);
  const auto responses = harness.outbox->responses();
  REQUIRE(responses.size() == 1);
  CHECK_FALSE(harness.session->revision().has_value());
  return responses[0];
}

}  // namespace

TEST_CASE("session: initialize is answered with the negotiated revision, and tools are served from then on") {
  for (const std::string revision : {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}) {
    INFO(revision);
    Harness harness;
    harness.initialize(revision);
    // No notifications/initialized is waited for: hosts send requests early.
    harness.send(request(0, "tools/list"));
    const Json listed = harness.outbox->wait_for_responses(1)[0];
    CHECK(listed["id"] == 0);
    CHECK(listed["result"]["tools"].size() == 2);
    CHECK_FALSE(listed["result"].contains("nextCursor"));  // `nextCursor: null` made Claude Code drop every tool
  }
}

// F16, L1: never echo blindly, never answer 2026-07-28.
TEST_CASE("session: an unknown revision gets 2025-11-25") {
  Harness harness;
  harness.start();
  harness.send(initialize_request("2026-07-28"));
  CHECK(harness.outbox->responses()[0]["result"]["protocolVersion"] == "2025-11-25");
}

// S8, F18, github/copilot-cli#4809: servers that exit on an unknown method before the handshake.
TEST_CASE("session: an unknown method before the handshake is -32601, and the handshake still works after it") {
  Harness harness;
  harness.start();
  harness.send(request(1, "x/y"));
  CHECK(harness.outbox->responses()[0]["error"]["code"] == -32601);
  harness.send(initialize_request("2025-11-25"));
  CHECK(harness.outbox->responses()[1].contains("result"));
}

TEST_CASE("session: before initialize ping is answered, and tools are not") {
  CHECK(opening(request(1, "ping"))["result"] == Json::object());
  CHECK(opening(request(1, "tools/list"))["error"]["code"] == -32600);
  CHECK(opening(request(1, "tools/call", {{"name", "echo"}}))["error"]["code"] == -32600);
}

TEST_CASE("session: initialize without a version is -32602 and may be sent again, after success it is refused") {
  Harness harness;
  harness.start();
  harness.send(request(1, "initialize", Json::object()));
  CHECK(harness.outbox->responses()[0]["error"]["code"] == -32602);
  harness.send(initialize_request("2025-06-18"));
  harness.send(initialize_request("2025-11-25"));
  CHECK(harness.outbox->responses()[2]["error"]["code"] == -32600);
  CHECK(harness.session->revision() == mcp::protocol::Revision::k2025_06_18);
}

// B2, yjacquin/fast-mcp#36: Claude Desktop breaks on an answer to notifications/initialized.
TEST_CASE("session: no notification is ever answered") {
  Harness harness;
  harness.initialize();
  for (const char* method : {"notifications/initialized", "notifications/cancelled", "notifications/unknown", "ping",
                             "tools/call", "initialize"}) {
    harness.send(notification(method));
  }
  harness.send(Json{{"jsonrpc", "2.0"}, {"id", 4}, {"result", Json::object()}});
  harness.outbox->wait_for_done(7);
  CHECK(harness.outbox->lines().empty());
}

// B4, DeusData/codebase-memory-mcp#1582: hosts reject `id: null`.
TEST_CASE("session: what has no readable id is logged, not answered, and never quoted in the log") {
  Harness harness;
  harness.initialize();
  for (const std::string line : {"hunter2", "{\"hunter2\":", "{}", "3", "[]", "{\"jsonrpc\":\"2.0\",\"id\":null}"}) {
    harness.session->receive(line, *harness.outbox);
  }
  CHECK(harness.outbox->lines().empty());
  CHECK(harness.logged().size() == 6);
  for (const std::string& text : harness.logged()) CHECK(text.find("hunter2") == std::string::npos);
}

TEST_CASE("session: a bad message with a readable id is told what is wrong") {
  Harness harness;
  harness.initialize();
  harness.session->receive(R"({"id":"q","method":"ping"})", *harness.outbox);
  harness.session->receive(R"({"jsonrpc":"2.0","id":5,"method":"ping","params":[]})", *harness.outbox);
  const auto responses = harness.outbox->responses();
  REQUIRE(responses.size() == 2);
  CHECK(responses[0]["id"] == "q");
  CHECK(responses[0]["error"]["code"] == -32600);
  CHECK(responses[1]["id"] == 5);
  CHECK(responses[1]["error"]["code"] == -32602);
}

// F17, anthropics/claude-code#9012: hosts call what was never declared.
TEST_CASE("session: methods of undeclared capabilities are -32601") {
  Harness harness;
  harness.initialize();
  for (const char* method : {"resources/list", "prompts/list", "logging/setLevel", "completion/complete",
                             "resources/templates/list", "resources/subscribe", "roots/list"}) {
    INFO(method);
    harness.send(request(method, method));
    const Json refused = harness.outbox->responses().back();
    CHECK(refused["id"] == method);
    CHECK(refused["error"]["code"] == -32601);
  }
}

TEST_CASE("session: a client's odd bytes do not come back in an error") {
  Harness harness;
  harness.initialize();
  harness.send(request(1, "x\u001b[2J"));
  harness.call(2, "\u27e6evil\u27e7");
  for (const Json& refused : harness.outbox->wait_for_responses(2)) {
    const auto text = refused["error"]["message"].get<std::string>();
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find("evil") == std::string::npos);
  }
}

TEST_CASE("session: ids come back with the type and value they had") {
  Harness harness;
  harness.initialize();
  for (const char* id : {"0", "\"0\"", "-7", "9007199254740993", "18446744073709551615"}) {
    INFO(id);
    harness.session->receive(R"({"jsonrpc":"2.0","id":)" + std::string(id) + R"(,"method":"ping"})", *harness.outbox);
    CHECK_THAT(harness.outbox->lines().back(), ContainsSubstring("\"id\":" + std::string(id) + ","));
  }
}

TEST_CASE("session: the list of tools has one page, in the order of registration, the same each time") {
  Harness harness;
  harness.initialize();
  for (int id = 0; id < 3; ++id) harness.send(request("list", "tools/list"));
  harness.send(request(9, "tools/list", {{"cursor", "x"}}));
  harness.send(request(10, "tools/list", {{"cursor", nullptr}}));
  const auto lines = harness.outbox->lines();
  CHECK(lines[0] == lines[1]);
  CHECK(lines[1] == lines[2]);
  const auto responses = harness.outbox->responses();
  CHECK(responses[0]["result"]["tools"][0]["name"] == "echo");
  CHECK(responses[0]["result"]["tools"][1]["name"] == "fail");
  CHECK(responses[3]["error"]["code"] == -32602);
  CHECK(responses[4].contains("result"));
}

TEST_CASE("session: a batch is served in 2025-03-26, as one array, and refused by each id elsewhere") {
  const Json batch = {request(1, "ping"), notification("notifications/unknown"), request("b", "nope"),
                      request(3, "tools/call", {{"name", "echo"}}),
                      request(4, "initialize", {{"protocolVersion", "x"}})};
  SECTION("2025-03-26") {
    Harness harness;
    harness.initialize("2025-03-26");
    harness.send(batch);
    harness.outbox->wait_for_done(1);
    REQUIRE(harness.outbox->responses().size() == 1);
    const Json answers = harness.outbox->responses()[0];
    REQUIRE(answers.size() == 4);
    CHECK(answers[0]["result"] == Json::object());
    CHECK(answers[1]["error"]["code"] == -32601);
    CHECK(answers[2]["error"]["code"] == -32600);  // a second initialize; batches never contain one
    CHECK(answers[3]["id"] == 3);
    CHECK(answers[3]["result"]["content"][0]["text"] == "{}");
  }
  SECTION("one that is too long is refused by each id") {
    Harness harness;
    harness.initialize("2025-03-26");
    Json pings = Json::array({notification("notifications/unknown")});
    for (int id = 1; id <= 65; ++id) pings.push_back(request(id, "ping"));
    harness.send(pings);
    harness.outbox->wait_for_done(1);
    REQUIRE(harness.outbox->responses().size() == 1);
    const Json answers = harness.outbox->responses()[0];
    REQUIRE(answers.size() == 65);
    CHECK(answers[64]["id"] == 65);
    for (const Json& answer : answers) CHECK(answer["error"]["code"] == -32600);
  }
  SECTION("only notifications: no answer") {
    Harness harness;
    harness.initialize("2025-03-26");
    harness.send({notification("notifications/unknown")});
    CHECK(harness.outbox->lines().empty());
  }
  for (const char* revision : {"2024-11-05", "2025-06-18", "2025-11-25"}) {
    DYNAMIC_SECTION(revision) {
      Harness harness;
      harness.initialize(revision);
      harness.send(batch);
      const auto responses = harness.outbox->responses();
      REQUIRE(responses.size() == 4);
      for (const Json& response : responses) CHECK(response["error"]["code"] == -32600);
    }
  }
}
