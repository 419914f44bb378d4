#include "mcp/server/server.h"

#include <algorithm>
#include <set>

#include "mcp/server/lint.h"
#include "mcp/server/worker_pool.h"

namespace khipu::mcp::server {
namespace {

Result<OrderedJson> parse_schema(const std::string& text) {
  OrderedJson schema = OrderedJson::parse(text, nullptr, false);
  if (schema.is_discarded()) return Error{Code::kInvalid, "not JSON"};
  return schema;
}

Result<protocol::ToolDefinition> define(const ToolInfo& info) {
  protocol::ToolDefinition definition;
  definition.name = info.name;
  definition.title = info.title;
  definition.description = info.description;
  definition.annotations = info.annotations;
  definition.result_size_chars_max = info.result_size_chars_max;
  KHIPU_TRY_ASSIGN(definition.input_schema, at(info.name + ": inputSchema", parse_schema(info.input_schema)));
  if (!info.output_schema.empty()) {
    KHIPU_TRY_ASSIGN(definition.output_schema, at(info.name + ": outputSchema", parse_schema(info.output_schema)));
  }
  const std::vector<std::string> findings = lint_tool(definition);
  if (!findings.empty()) return Error{Code::kInvalid, findings.front()};
  return definition;
}

}  // namespace

Result<std::unique_ptr<Server>> Server::create(Options options, Features features) {
  if (!options.now || !options.steady || !options.random) return Error{Code::kInvalid, "a server needs clocks"};
  if (options.info.name.empty() || options.info.version.empty()) {
    return Error{Code::kInvalid, "a server needs a name and a version"};
  }
  if (options.instructions.size() > kDescriptionSizeBytesMax) {
    return Error{Code::kInvalid, "the instructions are over 2000 bytes"};
  }
  std::vector<RegisteredTool> registered;
  for (std::unique_ptr<Tool>& tool : features.tools) {
    KHIPU_TRY_ASSIGN(protocol::ToolDefinition definition, define(tool->info()));
    for (const RegisteredTool& other : registered) {
      if (other.definition.name == definition.name)
        return Error{Code::kInvalid, definition.name + ": registered twice"};
    }
    registered.push_back({std::move(tool), std::move(definition)});
  }
  std::set<std::string> prompt_names;
  for (const std::unique_ptr<Prompt>& prompt : features.prompts) {
    const PromptInfo& info = prompt->info();
    const std::vector<std::string> findings = lint_prompt(info);
    if (!findings.empty()) return Error{Code::kInvalid, findings.front()};
    if (!prompt_names.insert(info.name).second) return Error{Code::kInvalid, info.name + ": registered twice"};
  }
  return std::unique_ptr<Server>(new Server(std::move(options), std::move(registered), std::move(features)));
}

Server::Server(Options options, std::vector<RegisteredTool> tools, Features features)
    : options_(std::move(options)),
      tools_(std::move(tools)),
      prompts_(std::move(features.prompts)),
      resources_(std::move(features.resources)),
      workers_(std::make_unique<WorkerPool>(options_.worker_count, options_.queue_count_max)) {}

Server::~Server() = default;

const RegisteredTool* Server::find(std::string_view name) const {
  const auto has_name = [&](const RegisteredTool& tool) { return tool.definition.name == name; };
  const auto found = std::find_if(tools_.begin(), tools_.end(), has_name);
  return found == tools_.end() ? nullptr : &*found;
}

Prompt* Server::find_prompt(std::string_view name) const {
  const auto has_name = [&](const auto& prompt) { return prompt->info().name == name; };
  const auto found = std::find_if(prompts_.begin(), prompts_.end(), has_name);
  return found == prompts_.end() ? nullptr : found->get();
}

bool Server::completes() const {
  return (resources_ != nullptr && resources_->completes()) ||
         std::any_of(prompts_.begin(), prompts_.end(), [](const auto& prompt) { return prompt->completes(); });
}

}  // namespace khipu::mcp::server
