// tools/call: results, errors, cancellation, progress, load and the end of a session.
#include <algorithm>
#include <thread>

#include "mcp/server/tool_error.h"
#include "tests/mcp/server/harness.h"
#include "tests/support/catch.h"

using namespace khipu;
using namespace khipu::tests;
using mcp::Json;
using mcp::OrderedJson;
using mcp::server::CallContext;
using mcp::server::ToolResult;

TEST_CASE("call: a result carries text and the structured form") {
  Harness harness;
  harness.initialize();
  harness.call(1, "echo", {{"text", "x"}});
  const Json result = harness.outbox->wait_for_responses(1)[0]["result"];
  CHECK(result["content"][0]["text"] == R"({"text":"x"})");
  CHECK(result["structuredContent"] == Json({{"text", "x"}}));
  CHECK_FALSE(result.contains("isError"));
  CHECK_FALSE(result.contains("resultType"));
}

TEST_CASE("call: an unknown tool and a call that is none are -32602") {
  Harness harness;
  harness.initialize();
  harness.call(1, "nope");
  harness.send(request(2, "tools/call", {{"name", "echo"}, {"arguments", "text"}}));
  harness.send(request(3, "tools/call", Json::object()));
  for (const Json& response : harness.outbox->wait_for_responses(3)) CHECK(response["error"]["code"] == -32602);
  for (const Json& response : harness.outbox->responses()) {
    const bool names_it = response["error"]["message"].get<std::string>().find("nope") != std::string::npos;
    CHECK(names_it == (response["id"] == 1));
  }
}

TEST_CASE("call: what a tool throws is -32603 and its words go nowhere") {
  Harness harness;
  harness.initialize();
  harness.call(1, "fail");
  CHECK(harness.outbox->wait_for_responses(1)[0]["error"]["code"] == -32603);
  CHECK(harness.outbox->lines()[0].find("record") == std::string::npos);
  for (const std::string& text : harness.logged()) CHECK(text.find("record") == std::string::npos);
}

// T7, F14: the TypeScript client holds the structured form of an error to the output schema.
TEST_CASE("call: the structured form of an error is sent only where the output schema allows it") {
  const auto structured_with = [](const std::string& output_schema) {
    Harness harness;
    auto tool = std::make_unique<FunctionTool>("refuse", [](const Json&, CallContext&) {
      mcp::server::ToolError error;
      error.code = "UNKNOWN_VALUE";
      error.hint = "No.";
      return mcp::server::error_result(error);
    });
    tool->info().output_schema = output_schema;
    harness.add(std::move(tool));
    harness.initialize();
    harness.call(1, "refuse");
    const Json result = harness.outbox->wait_for_responses(1)[0]["result"];
    CHECK(result["isError"] == true);
    CHECK_THAT(result["content"][0]["text"].get<std::string>(), ContainsSubstring("UNKNOWN_VALUE: No."));
    return result.value("structuredContent", Json());
  };
  const Json error = {{"error", {{"code", "UNKNOWN_VALUE"}, {"hint", "No."}}}};
  CHECK(structured_with("") == error);
  CHECK(structured_with(R"({"type":"object","properties":{"total":{"type":"integer"}}})") == error);
  CHECK(structured_with(R"({"type":"object","properties":{"total":{"type":"integer"}},"required":["total"]})") ==
        Json());
}

TEST_CASE("call: an answer over the size limit is refused with advice") {
  Harness harness;
  harness.options.result_size_bytes_max = 2000;
  harness.initialize();
  harness.call(1, "echo", {{"text", std::string(500, 'x')}});
  harness.call(2, "echo", {{"text", std::string(2000, 'x')}});
  for (const Json& response : harness.outbox->wait_for_responses(2)) {
    CHECK(response["result"].value("isError", false) == (response["id"] == 2));
  }
}

// S5: ping and cancellation are answered while a tool runs.
TEST_CASE("call: ping is answered during a call") {
  Gate gate;
  Harness harness;
  harness.add(gate.tool("wait"));
  harness.initialize();
  harness.call(1, "wait");
  gate.wait_until_entered(1);
  harness.send(request(2, "ping"));
  CHECK(harness.outbox->responses()[0]["id"] == 2);
  gate.open();
  CHECK(harness.outbox->wait_for_responses(2)[1]["id"] == 1);
}

TEST_CASE("call: a cancelled call stops and is never answered") {
  Gate gate;
  Harness harness;
  harness.add(gate.tool("wait"));
  harness.initialize();
  harness.call("a", "wait");
  gate.wait_until_entered(1);
  harness.send(notification("notifications/cancelled", {{"requestId", "other"}}));
  harness.send(notification("notifications/cancelled", {{"requestId", "a"}, {"reason", "bored"}}));
  REQUIRE(harness.session->drain(std::chrono::minutes(1)));
  CHECK(gate.stopped_count() == 1);
  CHECK(harness.outbox->lines().empty());
  // The id is free again, and a late cancellation of it is ignored.
  harness.send(notification("notifications/cancelled", {{"requestId", "a"}}));
  harness.call("a", "echo");
  CHECK(harness.outbox->wait_for_responses(1)[0]["id"] == "a");
}

TEST_CASE("call: a call cancelled while it waits for a worker never begins") {
  Gate gate;
  Harness harness;
  harness.options.worker_count = 1;
  harness.add(gate.tool("wait"));
  harness.initialize();
  harness.call(1, "wait");
  gate.wait_until_entered(1);
  harness.call(2, "wait");
  harness.send(notification("notifications/cancelled", {{"requestId", 2}}));
  gate.open();
  REQUIRE(harness.session->drain(std::chrono::minutes(1)));
  REQUIRE(harness.outbox->responses().size() == 1);
  CHECK(harness.outbox->responses()[0]["id"] == 1);
}

TEST_CASE("call: calls run side by side, up to the workers, the queue is bounded and says BUSY beyond") {
  Gate gate;
  Harness harness;
  harness.options.worker_count = 2;
  harness.options.queue_count_max = 1;
  harness.add(gate.tool("wait"));
  harness.initialize();
  harness.call(1, "wait");
  gate.wait_until_entered(1);  // it has left the queue, which holds one
  harness.call(2, "wait");
  gate.wait_until_entered(2);
  harness.call(3, "wait");
  harness.call(4, "wait");
  const Json busy = harness.outbox->wait_for_responses(1)[0];
  CHECK(busy["id"] == 4);
  CHECK(busy["result"]["isError"] == true);
  CHECK(busy["result"]["structuredContent"]["error"]["code"] == "BUSY");
  CHECK(busy["result"]["structuredContent"]["error"]["retry_after_s"] == 1);
  gate.open();
  CHECK(harness.outbox->wait_for_responses(4).size() == 4);
}

// B3, anthropics/claude-code#50095: two responses with one id close the transport.
TEST_CASE("call: an id that is in flight is answered once") {
  Gate gate;
  Harness harness;
  harness.add(gate.tool("wait"));
  harness.initialize();
  harness.call(1, "wait");
  gate.wait_until_entered(1);
  harness.call(1, "echo");
  gate.open();
  REQUIRE(harness.session->drain(std::chrono::minutes(1)));
  REQUIRE(harness.outbox->responses().size() == 1);
  CHECK(harness.outbox->responses()[0]["result"]["content"][0]["text"] == "passed");
}

TEST_CASE("call: progress goes to who asked for it, rises, and comes at most ten times a second") {
  Harness harness;
  harness.add(std::make_unique<FunctionTool>("work", [&](const Json&, CallContext& context) {
    for (int step = 1; step <= 40; ++step) {
      harness.steady_us += 50'000;
      context.progress({static_cast<double>(step), 40.0, "reading"});
    }
    harness.steady_us += 200'000;
    context.progress({7, 40.0, ""});  // falls: dropped
    return ToolResult{};
  }));
  harness.initialize();
  harness.call(1, "work");
  harness.outbox->wait_for_responses(1);
  CHECK(harness.outbox->notifications().empty());

  harness.send(request(2, "tools/call", {{"name", "work"}, {"_meta", {{"progressToken", 0}}}}));
  harness.outbox->wait_for_responses(2);
  const auto told = harness.outbox->notifications();
  CHECK(told.size() == 20);
  double last = 0;
  for (const Json& one : told) {
    CHECK(one["method"] == "notifications/progress");
    CHECK(one["params"]["progressToken"] == 0);
    CHECK(one["params"]["progress"].get<double>() > last);
    last = one["params"]["progress"];
  }
}

TEST_CASE("call: nothing is sent after a cancellation, not even progress") {
  Harness harness;
  harness.add(std::make_unique<FunctionTool>("work", [&](const Json&, CallContext& context) {
    harness.send(notification("notifications/cancelled", {{"requestId", 1}}));
    context.progress({1, {}, ""});
    return ToolResult{};
  }));
  harness.initialize();
  harness.send(request(1, "tools/call", {{"name", "work"}, {"_meta", {{"progressToken", "t"}}}}));
  harness.outbox->wait_for_done(1);
  CHECK(harness.outbox->lines().empty());
}

TEST_CASE("call: a tool sees its caller, the time that is left, and a tag of its own") {
  Harness harness;
  harness.options.call_ms_max = 100;
  harness.add(std::make_unique<FunctionTool>("look", [&](const Json&, CallContext& context) {
    harness.steady_us += 30'000;
    ToolResult result;
    result.text = context.caller().id + "|" + context.caller().client + "|" + std::to_string(context.remaining_ms()) +
                  "|" + context.mark_tag() + "|" + std::to_string(context.caller().has_grant("query")) +
                  std::to_string(context.caller().has_grant("reveal"));
    return result;
  }));
  harness.initialize();
  harness.call(1, "look");
  CHECK(harness.outbox->wait_for_responses(1)[0]["result"]["content"][0]["text"] ==
        "uid:1000|test-host 9|70|0fedcb|10");
}

TEST_CASE("call: the observer sees every result and may replace it") {
  struct Refuser final : mcp::server::CallObserver {
    void finished(const mcp::server::Tool& tool, const Json& arguments, CallContext&, ToolResult& result) override {
      result.text = "not recorded: " + tool.info().name + arguments.dump();
      result.structured.reset();
    }
  } refuser;
  Harness harness;
  harness.options.observer = &refuser;
  harness.initialize();
  harness.call(1, "echo");
  CHECK(harness.outbox->wait_for_responses(1)[0]["result"]["content"][0]["text"] == "not recorded: echo{}");
}

TEST_CASE("session: ending it cancels the calls in flight and waits for them") {
  Gate gate;
  Harness harness;
  harness.add(gate.tool("wait"));
  harness.initialize();
  for (int id = 0; id < 3; ++id) harness.call(id, "wait");
  gate.wait_until_entered(3);
  CHECK_FALSE(harness.session->drain(std::chrono::milliseconds(0)));
  harness.session.reset();
  CHECK(gate.stopped_count() == 3);
  CHECK(harness.outbox->lines().empty());
}

TEST_CASE("session: many threads may bring messages at once, and each is answered once") {
  Harness harness;
  harness.options.queue_count_max = 10'000;
  harness.initialize();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int id = 0; id < 100; ++id) harness.call(thread * 100 + id, "echo");
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<int> ids;
  for (const Json& response : harness.outbox->wait_for_responses(400)) ids.push_back(response["id"]);
  std::sort(ids.begin(), ids.end());
  REQUIRE(ids.size() == 400);
  for (int id = 0; id < 400; ++id) CHECK(ids[static_cast<size_t>(id)] == id);
}
