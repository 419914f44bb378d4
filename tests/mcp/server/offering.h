// A harness with everything on offer: prompts, resources, changes, and a tool that asks its client.
#pragma once

#include "tests/mcp/server/harness.h"

namespace khipu::tests {

class TestPrompt final : public mcp::server::Prompt {
 public:
  const mcp::server::PromptInfo& info() const override { return info_; }
  Result<mcp::server::PromptResult> get(const mcp::server::PromptArguments& arguments,
                                        mcp::server::CallContext&) override {
    mcp::server::PromptResult result;
    result.messages.push_back(
        {mcp::server::Role::kUser, mcp::protocol::TextContent{"Look at " + arguments.at("actor") + "."}});
    return result;
  }
  bool completes() const override { return true; }
  Result<mcp::server::Completion> complete(const mcp::server::CompleteRequest& request,
                                           mcp::server::CallContext&) override {
    std::vector<std::string> names;
    for (int i = 0; i < 150; ++i) names.push_back("u-" + std::to_string(i));
    return mcp::server::complete_from(names, request.value);
  }

 private:
  mcp::server::PromptInfo info_{"investigate",
                                "Investigate",
                                "Looks at one actor",
                                {{"actor", "", "Who", true}, {"from", "", "Since when", false}}};
};

class TestResources final : public mcp::server::ResourceProvider {
 public:
  Result<mcp::server::ResourcePage> list(const std::string& cursor, mcp::server::CallContext&) override {
    if (cursor == "second") return mcp::server::ResourcePage{{{"audit://b", "b", "", "", "", "", {}}}, ""};
    if (!cursor.empty()) return Error{Code::kInvalid, "unknown cursor"};
    return mcp::server::ResourcePage{{{"audit://a", "a", "Title", "First", "text/plain", "2026-01-01T00:00:00Z", 5}},
                                     "second"};
  }
  std::vector<mcp::server::ResourceTemplate> templates() const override {
    return {{"audit://event/{seq}", "event", "", "One event", "application/json"}};
  }
  Result<mcp::server::ReadResult> read(const std::string& uri, mcp::server::CallContext&) override {
    if (uri == "audit://io") return Error{Code::kIo, "the disk is tired"};
    if (uri != "audit://a") return Error{Code::kNotFound, "there is no such resource"};
    mcp::server::ReadResult result;
    result.contents.push_back({uri, "text/plain", std::string("hello"), mcp::OrderedJson::object()});
    result.contents.push_back({uri, "application/octet-stream", Buffer{0xFF, 0x00}, mcp::OrderedJson::object()});
    result.cache = {1000, true};
    return result;
  }
  bool can_subscribe() const override { return true; }
  bool may_subscribe(const std::string& uri, const mcp::server::Caller&) override { return uri != "audit://secret"; }
};

// Asks for a name, then greets; its state is "asked".
inline std::unique_ptr<mcp::server::Tool> asking_tool() {
  return std::make_unique<FunctionTool>("ask", [](const mcp::Json&, mcp::server::CallContext& context) {
    mcp::server::ToolResult result;
    if (const auto answer = context.input().find("name"); answer != context.input().end()) {
      result.text = context.state() + ": " + answer->second.dump();
      return result;
    }
    mcp::protocol::InputRequired required;
    required.requests["name"] = {mcp::protocol::InputRequest::Kind::kElicitation, {{"message", "Who?"}}};
    required.requests["name"].params["requestedSchema"] =
        mcp::OrderedJson::parse(R"({"type":"object","properties":{"name":{"type":"string"}},"required":["name"]})");
    required.state = "asked";
    result.input_required = std::move(required);
    return result;
  });
}

struct Offering : Harness {
  Offering() {
    options.changes = &changes;
    options.logging = true;
    prompts.push_back(std::make_unique<TestPrompt>());
    resources = std::make_unique<TestResources>();
    add(asking_tool());
    add(std::make_unique<FunctionTool>("log", [](const mcp::Json&, mcp::server::CallContext& context) {
      context.log(mcp::protocol::LogLevel::kInfo, "told");
      context.log(mcp::protocol::LogLevel::kError, "failed");
      return mcp::server::ToolResult{"logged", {}, {}};
    }));
  }
  ~Offering() {
    session.reset();
    server.reset();
  }
  mcp::server::Changes changes;
};

// The params of a modern request.
inline mcp::Json modern(mcp::Json params = mcp::Json::object(), mcp::Json capabilities = mcp::Json::object(),
                        const std::string& version = "2026-07-28") {
  params["_meta"]["io.modelcontextprotocol/protocolVersion"] = version;
  params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = std::move(capabilities);
  return params;
}

}  // namespace khipu::tests
