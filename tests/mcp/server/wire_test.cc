// Every kind of line a session sends, held to the published schema of its revision.
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <set>

#include "tests/mcp/server/offering.h"
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

// The legacy features: lists, reads, prompts, completion, subscriptions, a question, errors with data.
std::vector<Sample> features(const std::string& revision) {
  Offering harness;
  harness.start();
  Json hello = initialize_request(revision);
  hello["params"]["capabilities"]["elicitation"] = Json::object();
  harness.send(hello);
  std::vector<Sample> samples = {{"InitializeResult", harness.outbox->responses()[0]["result"]}};
  const auto take = [&](const std::string& definition, const std::string& method, const Json& params) {
    harness.outbox = std::make_unique<MemoryOutbox>();
    harness.send(request(method, method, params));
    harness.outbox->wait_for_done(1);
    const Json response = harness.outbox->responses().at(0);
    samples.push_back({"JSONRPCMessage", response});
    if (!definition.empty()) samples.push_back({definition, response["result"]});
  };
  take("ListResourcesResult", "resources/list", Json::object());
  take("ListResourceTemplatesResult", "resources/templates/list", Json::object());
  take("ReadResourceResult", "resources/read", {{"uri", "audit://a"}});
  take("ListPromptsResult", "prompts/list", Json::object());
  take("GetPromptResult", "prompts/get", {{"name", "investigate"}, {"arguments", {{"actor", "a"}}}});
  take("CompleteResult", "completion/complete",
       {{"ref", {{"type", "ref/prompt"}, {"name", "investigate"}}}, {"argument", {{"name", "actor"}, {"value", ""}}}});
  take("EmptyResult", "resources/subscribe", {{"uri", "audit://a"}});
  take("", "resources/read", {{"uri", "audit://nope"}});
  take("CallToolResult", "tools/call", {{"name", "log"}});
  harness.changes.resource_updated("audit://a");
  harness.changes.tools_changed();
  const auto told = harness.outbox->notifications();
  REQUIRE(told.size() == 4);
  samples.push_back({"LoggingMessageNotification", told[0]});
  samples.push_back({"ResourceUpdatedNotification", told[2]});
  samples.push_back({"ToolListChangedNotification", told[3]});
  return samples;
}

// The same in the modern era, with its own methods.
std::vector<Sample> modern_features() {
  Offering harness;
  harness.start();
  std::vector<Sample> samples;
  const auto take = [&](const std::string& definition, const std::string& method, const Json& params) {
    harness.outbox = std::make_unique<MemoryOutbox>();
    harness.send(request(method, method, params));
    harness.outbox->wait_for_done(1);
    samples.push_back({definition, harness.outbox->responses().at(0)});
  };
  take("DiscoverResultResponse", "server/discover", modern());
  take("ListToolsResultResponse", "tools/list", modern());
  take("ListResourcesResultResponse", "resources/list", modern());
  take("ListResourceTemplatesResultResponse", "resources/templates/list", modern());
  take("ReadResourceResultResponse", "resources/read", modern({{"uri", "audit://a"}}));
  take("ListPromptsResultResponse", "prompts/list", modern());
  take("GetPromptResultResponse", "prompts/get", modern({{"name", "investigate"}, {"arguments", {{"actor", "a"}}}}));
  take("CallToolResultResponse", "tools/call", modern({{"name", "echo"}}));
  take("CallToolResultResponse", "tools/call", modern({{"name", "ask"}}, {{"elicitation", Json::object()}}));
  take("MissingRequiredClientCapabilityError", "tools/call", modern({{"name", "ask"}}));
  take("UnsupportedProtocolVersionError", "tools/list", modern({}, Json::object(), "v9"));
  take("JSONRPCErrorResponse", "resources/read", modern({{"uri", "audit://nope"}}));
  harness.outbox = std::make_unique<MemoryOutbox>();
  const Json wanted = {{"toolsListChanged", true}, {"resourceSubscriptions", {"audit://a"}}};
  harness.send(request(1, "subscriptions/listen", modern({{"notifications", wanted}})));
  harness.changes.tools_changed();
  harness.changes.resource_updated("audit://a");
  REQUIRE(harness.session->drain(std::chrono::seconds(1)));
  const auto told = harness.outbox->notifications();
  REQUIRE(told.size() == 4);
  samples.push_back({"SubscriptionsAcknowledgedNotification", told[0]});
  samples.push_back({"ToolListChangedNotification", told[1]});
  samples.push_back({"ResourceUpdatedNotification", told[2]});
  samples.push_back({"CancelledNotification", told[3]});
  samples.push_back({"SubscriptionsListenResultResponse", harness.outbox->responses()[0]});
  for (const Sample& sample : std::vector<Sample>(samples)) samples.push_back({"JSONRPCMessage", sample.value});
  return samples;
}

// What an object of the older revisions may have: strict deserialisers of that time know no more.
void check_members(const Json& object, const std::set<std::string>& known) {
  for (const auto& [name, value] : object.items()) {
    INFO(object.dump());
    CHECK(known.contains(name));
  }
}

}  // namespace

TEST_CASE("wire: to 2024-11-05 and 2025-03-26 no member is sent that these revisions do not have") {
  for (const std::string revision : {"2024-11-05", "2025-03-26"}) {
    INFO(revision);
    std::vector<Sample> samples = conversation(revision);
    for (Sample& sample : features(revision)) samples.push_back(std::move(sample));
    const bool has_annotations = revision != "2024-11-05";
    size_t count = 0;
    for (const auto& [definition, value] : samples) {
      ++count;
      if (definition == "InitializeResult") {
        check_members(value, {"protocolVersion", "capabilities", "serverInfo", "instructions"});
        check_members(value["serverInfo"], {"name", "version"});
        std::set<std::string> capabilities = {"tools", "prompts", "resources", "logging"};
        if (has_annotations) capabilities.insert("completions");
        check_members(value["capabilities"], capabilities);
      } else if (definition == "ListToolsResult") {
        std::set<std::string> known = {"name", "description", "inputSchema"};
        if (has_annotations) known.insert("annotations");
        for (const Json& tool : value["tools"]) check_members(tool, known);
      } else if (definition == "CallToolResult") {
        check_members(value, {"content", "isError"});
        for (const Json& block : value["content"]) check_members(block, {"type", "text", "annotations"});
      } else if (definition == "ListResourcesResult") {
        for (const Json& one : value["resources"]) {
          check_members(one, {"uri", "name", "description", "mimeType", "annotations", "size"});
        }
      } else if (definition == "ListResourceTemplatesResult") {
        for (const Json& one : value["resourceTemplates"]) {
          check_members(one, {"uriTemplate", "name", "description", "mimeType", "annotations"});
        }
      } else if (definition == "ListPromptsResult") {
        for (const Json& one : value["prompts"]) check_members(one, {"name", "description", "arguments"});
      } else if (definition == "ProgressNotification") {
        std::set<std::string> known = {"progressToken", "progress", "total"};
        if (has_annotations) known.insert("message");
        check_members(value["params"], known);
      } else {
        --count;
      }
    }
    CHECK(count >= 9);
  }
}

// There is no schema file for the two oldest: the next one, which has all of theirs, and the test above.
TEST_CASE("wire: every line of a session fits the published schema of its revision") {
  for (const std::string revision : {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"}) {
    INFO(revision);
    const auto schema = shared_path("mcp-schema/" + (revision < "2025-06-18" ? "2025-06-18" : revision) + ".json");
    if (!schema) SKIP("the contract documents' folder is not here: KHIPU_SHARED");
    const TempDirectory folder;
    const std::string messages = folder / "messages";
    std::ofstream out(messages);
    std::vector<Sample> samples = revision == "2026-07-28" ? modern_features() : conversation(revision);
    if (revision != "2026-07-28") {
      for (Sample& sample : features(revision)) samples.push_back(std::move(sample));
    }
    for (const Sample& sample : samples) {
      out << Json{{"definition", sample.definition}, {"value", sample.value}}.dump() << "\n";
    }
    out.close();
    const std::string checker = std::string(std::getenv("KHIPU_SOURCE")) + "/tests/mcp/server/check_schema.py";
    const int status = std::system(("python3 '" + checker + "' '" + schema->string() + "' '" + messages + "'").c_str());
    if (WEXITSTATUS(status) == 4) SKIP("the Python module jsonschema is not installed");
    CHECK(WEXITSTATUS(status) == 0);
  }
}
