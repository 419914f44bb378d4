// Every kind of line a session sends, held to the published schema of its revision.
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>

#include "tests/mcp/server/harness.h"
#include "tests/support/catch.h"
#include "tests/support/shared.h"
#include "tests/support/temp_directory.h"

using namespace khipu;
using namespace khipu::tests;
using mcp::Json;
using mcp::OrderedJson;
using mcp::server::CallContext;
using mcp::server::ToolResult;

namespace {

struct Sample {
  std::string definition;
  Json value;
};

// One session with everything in it: handshake, list, results, errors, progress.
std::vector<Sample> conversation(const std::string& revision) {
  Harness harness;
  auto tool = std::make_unique<FunctionTool>("full", [](const Json&, CallContext& context) {
    context.progress({1, 2.0, "half"});
    ToolResult result;
    result.text = "text \xff";
    result.structured = OrderedJson{{"total", 1}};
    result.links.push_back({"audit://proof/1", "proof", "application/json"});
    return result;
  });
  tool->info().output_schema = R"({"type":"object","properties":{"total":{"type":"integer"}}})";
  tool->info().result_size_chars_max = 60'000;
  harness.add(std::move(tool));
  harness.start();
  harness.send(initialize_request(revision));
  harness.send(request(1, "ping"));
  harness.send(request("list", "tools/list"));
  harness.send(request(3, "nope"));
  harness.call(4, "nope");
  harness.call(5, "fail");
  harness.outbox->wait_for_responses(6);
  harness.send(request(6, "tools/call", {{"name", "full"}, {"_meta", {{"progressToken", "p"}}}}));
  const auto responses = harness.outbox->wait_for_responses(7);
  REQUIRE(harness.outbox->notifications().size() == 1);

  std::vector<Sample> samples = {{"InitializeResult", responses[0]["result"]},
                                 {"EmptyResult", responses[1]["result"]},
                                 {"ListToolsResult", responses[2]["result"]},
                                 {"CallToolResult", responses[6]["result"]},
                                 {"ProgressNotification", harness.outbox->notifications()[0]},
                                 {"JSONRPCMessage", harness.outbox->notifications()[0]}};
  for (const Json& response : responses) samples.push_back({"JSONRPCMessage", response});
  return samples;
}

}  // namespace

TEST_CASE("wire: every line of a session fits the published schema of its revision") {
  for (const std::string revision : {"2025-06-18", "2025-11-25"}) {
    INFO(revision);
    const auto schema = shared_path("mcp-schema/" + revision + ".json");
    if (!schema) SKIP("the contract documents' folder is not here: KHIPU_SHARED");
    const TempDirectory folder;
    const std::string messages = folder / "messages";
    std::ofstream out(messages);
    for (const Sample& sample : conversation(revision)) {
      out << Json{{"definition", sample.definition}, {"value", sample.value}}.dump() << "\n";
    }
    out.close();
    const std::string checker = std::string(std::getenv("KHIPU_SOURCE")) + "/tests/mcp/server/check_schema.py";
    const int status = std::system(("python3 '" + checker + "' '" + schema->string() + "' '" + messages + "'").c_str());
    if (WEXITSTATUS(status) == 4) SKIP("the Python module jsonschema is not installed");
    CHECK(WEXITSTATUS(status) == 0);
  }
}
