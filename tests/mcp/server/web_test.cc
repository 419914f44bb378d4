// Many clients over HTTP, without HTTP: eras by body, headers held to it, sessions, and the status of every refusal.
#include "mcp/server/web.h"

#include <thread>

#include "mcp/server/routing_headers.h"
#include "tests/mcp/server/web_site.h"

using namespace khipu;
using namespace khipu::tests;

TEST_CASE("web: initialize begins a session, and only its id with its caller finds it") {
  Site site;
  const Head head = site.begin();
  CHECK(site.post(request(1, "ping"), head).body["result"] == Json::object());
  CHECK(site.post(request(1, "ping"), head, kBob).status == 404);
  CHECK(site.post(request(1, "ping")).status == 400);
  Head other;
  other.session = "unknown";
  const Answer lost = site.post(request(5, "ping"), other);
  CHECK(lost.status == 404);
  CHECK(lost.body["id"] == 5);
  CHECK(site.post(notification("notifications/initialized"), head).status == 202);
}

TEST_CASE("web: a session is for the caller with the grants and the scope that began it") {
  Site site;
  const Caller wide{"token:agent", {"query", "reveal"}, ""};
  const Head head = site.begin("2025-11-25", wide);
  Caller same{"token:agent", {"reveal", "query"}, "some host 1.0"};
  CHECK(site.post(request(1, "ping"), head, same).status == 200);
  Caller fewer{"token:agent", {"query"}, ""}, scoped = wide, more = wide;
  scoped.scope.sources = {"billing"};
  more.grants.emplace_back("verify");
  for (const Caller& other : {fewer, scoped, more}) {
    CHECK(site.post(request(1, "ping"), head, other).status == 404);
    WebOutbox box;
    CHECK(site.web->open_stream(other, head, box) == 404);
    CHECK(site.web->end_session(other, head) == 404);
  }
  CHECK(site.post(request(1, "ping"), head, wide).status == 200);
}

TEST_CASE("caller: what it may do is told apart, whatever the order and wherever a name stands") {
  Caller types{"token:a", {"query"}, ""}, sources = types, joined = types, two = types;
  types.scope.types = {"x"};
  sources.scope.sources = {"x"};
  joined.scope.sources = {"x1:y"};
  two.scope.sources = {"y", "x"};
  Caller turned = two;
  turned.scope.sources = {"x", "y", "x"};
  CHECK(types.authority() != sources.authority());
  CHECK(joined.authority() != two.authority());
  CHECK(two.authority() == turned.authority());
}

TEST_CASE("web: initialize without a version begins none, and one with a modern header is -32020") {
  Site site;
  const Answer bad = site.post(request(1, "initialize"));
  CHECK(bad.status == 200);
  CHECK(bad.code() == -32602);
  CHECK(bad.session.empty());
  Head head;
  head.version = "2026-07-28";
  const Answer mixed = site.post(initialize_request("2025-11-25"), head);
  CHECK(mixed.status == 400);
  CHECK(mixed.code() == -32020);
  head.version = "2025-11-25";  // before anything was negotiated: the suite sends it, and so do hosts
  CHECK(site.post(initialize_request("2025-11-25"), head).status == 200);
  CHECK(site.web->session_count() == 1);
}

TEST_CASE("web: a version header must be one of ours, and any of ours will do") {
  Site site;
  Head head = site.begin("2024-11-05");
  for (const char* version : {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}) {
    head.version = version;
    CHECK(site.post(request(1, "ping"), head).status == 200);
  }
  head.version = "1.0";
  CHECK(site.post(request(1, "ping"), head).status == 400);
}

TEST_CASE("web: what is no message is 400, legacy errors are 200") {
  Site site;
  const Head head = site.begin();
  CHECK(site.post(std::string("{"), head).status == 400);
  CHECK(site.post(std::string("{"), head).code() == -32700);
  CHECK_FALSE(site.post(std::string("{"), head).body.contains("id"));
  CHECK(site.post(std::string("[]"), head).status == 400);
  CHECK(site.post(Json::array({request(1, "ping")}), head).code() == -32600);
  const Answer unknown = site.post(request(1, "nope"), head);
  CHECK(unknown.status == 200);
  CHECK(unknown.code() == -32601);
  const Answer missing = site.post(request(1, "resources/read", {{"uri", "audit://nope"}}), head);
  CHECK(missing.status == 200);
  CHECK(missing.code() == -32002);
  CHECK(site.post(request(1, "tools/call", {{"name", "nope"}}), head).code() == -32602);
  CHECK(site.post(Json{{"jsonrpc", "2.0"}, {"id", 1}, {"result", Json::object()}}, head).status == 400);
}

TEST_CASE("web: a batch is taken in 2025-03-26 and nowhere else") {
  Site site;
  const Json batch = Json::array({request(1, "ping"), request(2, "tools/call", {{"name", "echo"}})});
  const Answer answers = site.post(batch, site.begin("2025-03-26"));
  CHECK(answers.status == 200);
  CHECK(answers.body.size() == 2);
  CHECK(site.post(Json::array({notification("notifications/x")}), site.begin("2025-03-26")).status == 202);
  CHECK(site.post(batch, site.begin("2025-06-18")).status == 400);
  CHECK(site.post(batch).status == 400);
}

TEST_CASE("web: an array in which nothing is a message is 400, one with a message is served without the rest") {
  Site site;
  const Head head = site.begin("2025-03-26");
  for (const char* body : {R"([1,2,"x"])", R"([[{"jsonrpc":"2.0","id":1,"method":"ping"}]])"}) {
    const Answer refused = site.post(std::string(body), head);
    CHECK(refused.status == 400);
    CHECK(refused.code() == -32600);
    CHECK_FALSE(refused.body.contains("id"));
  }
  const Answer served = site.post(std::string(R"([1,{"jsonrpc":"2.0","id":7,"method":"ping"}])"), head);
  CHECK(served.status == 200);
  REQUIRE(served.body.size() == 1);
  CHECK(served.body[0]["id"] == 7);
}

TEST_CASE("web: a request whose id is in flight is refused in an answer of its own, and the first one is served") {
  Gate gate;
  Offering offering;
  offering.add(gate.tool("wait"));
  offering.start();
  mcp::server::Web web(*offering.server, {});
  WebOutbox hello, first, second;
  web.post(kAlice, {}, initialize_request("2025-11-25").dump(), hello);
  Head head;
  head.session = hello.session;
  const std::string body = request(7, "tools/call", {{"name", "wait"}}).dump();
  web.post(kAlice, head, body, first);
  gate.wait_until_entered(1);
  web.post(kAlice, head, body, second);
  second.wait();
  CHECK(second.status == 400);
  CHECK(second.last()["id"] == 7);
  CHECK(second.last()["error"]["code"] == -32600);
  gate.open();
  first.wait();
  CHECK(first.status == 200);
  CHECK(first.last()["result"]["content"][0]["text"] == "passed");
}

TEST_CASE("web: a session that was ended is 404 for ever, and ends its streams") {
  Site site;
  const Head head = site.begin();
  WebOutbox stream;
  CHECK(site.web->open_stream(kAlice, {}, stream) == 405);
  CHECK(site.web->open_stream(kBob, head, stream) == 404);
  CHECK(site.web->open_stream(kAlice, head, stream) == 0);
  site.changes.tools_changed();
  CHECK(stream.last()["method"] == "notifications/tools/list_changed");
  CHECK(site.web->end_session(kBob, head) == 404);
  CHECK(site.web->end_session(kAlice, {}) == 405);
  CHECK(site.web->end_session(kAlice, head) == 204);
  CHECK(stream.is_done);
  CHECK(site.web->end_session(kAlice, head) == 404);
  CHECK(site.post(request(1, "ping"), head).status == 404);
}

// L6: hosts open a second stream while the first is not yet known to be gone; 409 sends them into a loop.
TEST_CASE("web: a session's second stream is taken, and a message goes to the newer of the two") {
  Site site;
  const Head head = site.begin();
  WebOutbox one, two;
  CHECK(site.web->open_stream(kAlice, head, one) == 0);
  CHECK(site.web->open_stream(kAlice, head, two) == 0);
  site.changes.tools_changed();
  CHECK(one.lines.empty());
  CHECK(two.last()["method"] == "notifications/tools/list_changed");
  site.web->close_stream(two);
  site.changes.tools_changed();
  CHECK(one.lines.size() == 1);
}

TEST_CASE("web: sessions are let go when idle too long, and the one used longest ago when there are too many") {
  mcp::server::WebOptions limits;
  limits.sessions_max = 2;
  limits.session_idle_ms_max = 1000;
  Site site(limits);
  const Head first = site.begin();
  site.steady_us = 100'000;
  const Head second = site.begin();
  site.steady_us = 200'000;
  CHECK(site.post(request(1, "ping"), first).status == 200);
  const Head third = site.begin();
  CHECK(site.post(request(1, "ping"), second).status == 404);
  CHECK(site.post(request(1, "ping"), first).status == 200);
  site.steady_us = 2'000'000;
  const Head fourth = site.begin();
  CHECK(site.web->session_count() == 1);
  CHECK(site.post(request(1, "ping"), third).status == 404);
}

TEST_CASE("web: a session whose stream is open makes no room for others while one without is there") {
  mcp::server::WebOptions limits;
  limits.sessions_max = 2;
  Site site(limits);
  const Head listening = site.begin();
  WebOutbox stream;
  REQUIRE(site.web->open_stream(kAlice, listening, stream) == 0);
  for (int i = 0; i < 3; ++i) {
    site.steady_us += 100'000;
    (void)site.begin();
  }
  CHECK(site.web->session_count() == 2);
  CHECK(site.post(request(1, "ping"), listening).status == 200);
  site.steady_us += 100'000;
  site.web->close_stream(stream);  // used until then
  (void)site.begin();
  CHECK(site.post(request(1, "ping"), listening).status == 200);
}

TEST_CASE("web: where each session has a stream, the one that must go takes its stream with it") {
  mcp::server::WebOptions limits;
  limits.sessions_max = 1;
  Site site(limits);
  const Head first = site.begin();
  WebOutbox stream;
  REQUIRE(site.web->open_stream(kAlice, first, stream) == 0);
  (void)site.begin();
  CHECK(site.post(request(1, "ping"), first).status == 404);
  CHECK(stream.is_done);
}

TEST_CASE("web: a modern request needs no session and is refused with its own status") {
  Site site;
  const Answer listed = site.post(request(1, "tools/list", modern()), headers("tools/list"));
  CHECK(listed.status == 200);
  CHECK(listed.body["result"]["resultType"] == "complete");
  CHECK(listed.session.empty());
  struct Row {
    Json message;
    Head head;
    int status, code;
  };
  Json no_capabilities = modern();
  no_capabilities["_meta"].erase("io.modelcontextprotocol/clientCapabilities");
  Head bare;
  const Row rows[] = {
      {request(1, "tools/list"), headers("tools/list"), 400, -32602},
      {request(1, "server/discover"), bare, 400, -32602},
      {request(1, "subscriptions/listen"), bare, 400, -32602},
      {request(1, "tools/list", no_capabilities), headers("tools/list"), 400, -32602},
      {request(1, "tools/list", modern({}, Json::object(), "v9")), headers("tools/list", {}, "v9"), 400, -32022},
      {request(1, "tools/list", modern()), headers("tools/list", {}, "2025-11-25"), 400, -32020},
      {request(1, "tools/list", modern()), bare, 400, -32020},
      {request(1, "tools/list", modern()), headers("tools/call"), 400, -32020},
      {request(1, "tools/list", modern()), headers("Tools/List"), 400, -32020},
      {request(1, "tools/call", modern({{"name", "echo"}})), headers("tools/call"), 400, -32020},
      {request(1, "tools/call", modern({{"name", "echo"}})), headers("tools/call", "fail"), 400, -32020},
      {request(1, "resources/read", modern({{"uri", "audit://a"}})), headers("resources/read", "audit://b"), 400,
       -32020},
      {request(1, "initialize", modern()), headers("initialize"), 404, -32601},
      {request(1, "ping", modern()), headers("ping"), 404, -32601},
      {request(1, "unknown/method", modern()), headers("unknown/method"), 404, -32601},
      {request(1, "tools/call", modern({{"name", "nope"}})), headers("tools/call", "nope"), 200, -32602},
      {request(1, "tools/call", modern({{"name", "ask"}})), headers("tools/call", "ask"), 400, -32021},
      {request(1, "resources/read", modern({{"uri", "audit://x"}})), headers("resources/read", "audit://x"), 200,
       -32602},
  };
  for (const Row& row : rows) {
    INFO(row.message.dump());
    const Answer answer = site.post(row.message, row.head);
    CHECK(answer.status == row.status);
    CHECK(answer.code() == row.code);
    CHECK(answer.body["id"] == 1);
  }
}

TEST_CASE("web: a modern notification is taken, a modern response is not") {
  Site site;
  Head head;
  head.version = "2026-07-28";
  CHECK(site.post(notification("notifications/cancelled", {{"requestId", 1}}), head).status == 202);
  const Answer refused = site.post(Json{{"jsonrpc", "2.0"}, {"id", 1}, {"result", Json::object()}}, head);
  CHECK(refused.status == 400);
  CHECK(refused.code() == -32600);
}

TEST_CASE("web: many clients may use one id at once, and a client that leaves cancels its own call only") {
  Gate gate;
  Offering offering;
  offering.add(gate.tool("wait"));
  offering.start();
  mcp::server::Web web(*offering.server, {});
  WebOutbox one, two;
  const std::string body = request(1, "tools/call", modern({{"name", "wait"}})).dump();
  web.post(kAlice, headers("tools/call", "wait"), body, one);
  web.post(kBob, headers("tools/call", "wait"), body, two);
  gate.wait_until_entered(2);
  web.abandon(one);
  one.wait();
  CHECK(one.lines.empty());
  CHECK(gate.stopped_count() == 1);
  gate.open();
  two.wait();
  CHECK(two.last()["result"]["content"][0]["text"] == "passed");
}

TEST_CASE("web: a legacy client that leaves did not cancel") {
  Gate gate;
  Offering offering;
  offering.add(gate.tool("wait"));
  offering.start();
  mcp::server::Web web(*offering.server, {});
  WebOutbox hello, call;
  web.post(kAlice, {}, initialize_request("2025-11-25").dump(), hello);
  Head head;
  head.session = hello.session;
  web.post(kAlice, head, request(1, "tools/call", {{"name", "wait"}}).dump(), call);
  gate.wait_until_entered(1);
  web.abandon(call);
  gate.open();
  call.wait();
  CHECK(gate.stopped_count() == 0);
}

TEST_CASE("web: a request whose session is ended meanwhile is answered 404 with its id, alone or in a batch") {
  Gate gate;
  Offering offering;
  offering.add(gate.tool("wait"));
  offering.start();
  mcp::server::Web web(*offering.server, {});
  const bool is_batch = GENERATE(false, true);
  WebOutbox hello, call;
  web.post(kAlice, {}, initialize_request("2025-03-26").dump(), hello);
  Head head;
  head.session = hello.session;
  const Json asked = request(7, "tools/call", {{"name", "wait"}});
  web.post(kAlice, head, (is_batch ? Json::array({asked}) : asked).dump(), call);
  gate.wait_until_entered(1);
  CHECK(web.end_session(kAlice, head) == 204);
  call.wait();
  CHECK(gate.stopped_count() == 1);
  REQUIRE(call.lines.size() == 1);
  const Json answer = is_batch ? call.last()[0] : call.last();
  CHECK(answer["id"] == 7);
  CHECK(answer["error"]["code"] == -32001);
  CHECK(call.status == (is_batch ? 200 : 404));
}

TEST_CASE("web: subscriptions end with a result when the server stops, and silently when the client leaves") {
  Site site;
  WebOutbox stays, leaves;
  const std::string body =
      request("l", "subscriptions/listen", modern({{"notifications", {{"toolsListChanged", true}}}})).dump();
  site.web->post(kAlice, headers("subscriptions/listen"), body, stays);
  site.web->post(kBob, headers("subscriptions/listen"), body, leaves);
  site.web->abandon(leaves);
  CHECK(leaves.is_done);
  site.changes.tools_changed();
  CHECK(leaves.lines.size() == 1);
  CHECK(stays.lines.size() == 2);
  site.web->end_streams();
  CHECK(stays.is_done);
  CHECK(stays.last()["result"]["resultType"] == "complete");
}

TEST_CASE("headers: an argument and its Mcp-Param header say the same, or the request is refused") {
  auto tool = std::make_unique<FunctionTool>("t", [](const Json&, mcp::server::CallContext&) {
    return mcp::server::ToolResult{"x", {}, {}};
  });
  tool->info().input_schema =
      R"({"type":"object","additionalProperties":false,"properties":{"region":{"type":"string","x-mcp-header":"Region"},)"
      R"("n":{"type":"integer","x-mcp-header":"N"},"deep":{"type":"object","properties":{"b":{"type":"boolean","x-mcp-header":"B"}}}}})";
  Harness harness;
  harness.add(std::move(tool));
  harness.start();
  const auto* registered = harness.server->find("t");
  const auto fits = [&](const char* arguments, std::vector<std::pair<std::string, std::string>> params) {
    Head head;
    head.params = std::move(params);
    return !mcp::server::param_header_fault(head, *registered, {{"arguments", Json::parse(arguments)}});
  };
  CHECK(fits("{}", {}));
  CHECK(fits("{}", {{"other", "x"}}));
  CHECK(fits(R"({"region":"eu"})", {{"region", "eu"}}));
  CHECK(fits(R"({"region":"é"})", {{"region", "=?base64?w6k=?="}}));
  CHECK(fits(R"({"region":"=?base64?x"})", {{"region", "=?base64?x"}}));
  CHECK(fits(R"({"n":42})", {{"n", "42"}}));
  CHECK(fits(R"({"n":42})", {{"n", "42.0"}}));
  CHECK(fits(R"({"n":9007199254740993})", {{"n", "9007199254740993"}}));
  CHECK(fits(R"({"deep":{"b":true}})", {{"b", "true"}}));
  CHECK(fits(R"({"region":null})", {}));
  CHECK_FALSE(fits(R"({"region":"eu"})", {}));
  CHECK_FALSE(fits(R"({"region":"eu"})", {{"region", "us"}}));
  CHECK_FALSE(fits(R"({})", {{"region", "us"}}));
  CHECK_FALSE(fits(R"({"region":"é"})", {{"region", "=?base64?w6k?="}}));
  CHECK_FALSE(fits(R"({"n":9007199254740993})", {{"n", "9007199254740992"}}));
  CHECK_FALSE(fits(R"({"n":42})", {{"n", "42x"}}));
  CHECK_FALSE(fits(R"({"deep":{"b":true}})", {{"b", "1"}}));
}

TEST_CASE("headers: a URI with an escape in it matches the same text and no other") {
  const auto fits = [](const char* value) {
    return !mcp::server::standard_header_fault(headers("resources/read", value), "resources/read",
                                               modern({{"uri", "audit://entity/user/a%2Fb"}}));
  };
  CHECK(fits("audit://entity/user/a%2Fb"));
  CHECK_FALSE(fits("audit://entity/user/a/b"));
  CHECK_FALSE(fits("audit://entity/user/a%2fb"));
}

TEST_CASE("headers: x-mcp-header is a token, once, on a scalar") {
  const auto refused = [](const std::string& properties) {
    Harness harness;
    auto tool = std::make_unique<FunctionTool>("t", [](const Json&, mcp::server::CallContext&) {
      return mcp::server::ToolResult{"x", {}, {}};
    });
    tool->info().input_schema = R"({"type":"object","additionalProperties":false,"properties":)" + properties + "}";
    harness.add(std::move(tool));
    return !mcp::server::Server::create(harness.options, {std::move(harness.tools)}).ok();
  };
  CHECK_FALSE(refused(R"({"a":{"type":"string","x-mcp-header":"A"}})"));
  CHECK(refused(R"({"a":{"type":"string","x-mcp-header":"A B"}})"));
  CHECK(refused(R"({"a":{"type":"number","x-mcp-header":"A"}})"));
  CHECK(refused(R"({"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}})"));
}

TEST_CASE("web: a brief tool runs on the thread that posts, any other on a worker") {
  std::thread::id ran_on;
  const auto note = [&](const Json&, mcp::server::CallContext&) {
    ran_on = std::this_thread::get_id();
    return mcp::server::ToolResult{};
  };
  auto brief = std::make_unique<FunctionTool>("brief", note);
  brief->info().is_brief = true;
  Harness harness;
  harness.add(std::move(brief));
  harness.add(std::make_unique<FunctionTool>("long", note));
  harness.start();
  mcp::server::Web web(*harness.server, {});
  const auto post = [&](const Json& body, const std::string& session) {
    WebOutbox box;
    Head head;
    if (!session.empty()) head.session = session;
    web.post(kAlice, head, body.dump(), box);
    box.wait();
    return box.session;
  };
  const std::string session = post(initialize_request("2025-11-25"), "");
  post(request(1, "tools/call", {{"name", "brief"}, {"arguments", Json::object()}}), session);
  CHECK(ran_on == std::this_thread::get_id());
  post(request(2, "tools/call", {{"name", "long"}, {"arguments", Json::object()}}), session);
  CHECK(ran_on != std::this_thread::get_id());
}
