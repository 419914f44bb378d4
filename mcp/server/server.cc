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
  const std::vector<std::string> findings = lint_tool(definition, info.is_unlinted);
  if (!findings.empty()) return Error{Code::kInvalid, findings.front()};
  return definition;
}

// What a name may be in a header: RFC 9110's token.
bool is_token(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  const auto fits = [&](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           kOthers.find(c) != std::string_view::npos;
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}

Result<void> find_header_params(const OrderedJson& schema, std::vector<std::string>& path,
                                std::vector<HeaderParam>& found) {
  const auto properties = schema.find("properties");
  if (properties == schema.end() || !properties->is_object()) return {};
  for (const auto& [name, property] : properties->items()) {
    if (!property.is_object()) continue;
    path.push_back(name);
    if (const auto header = property.find("x-mcp-header"); header != property.end()) {
      const OrderedJson type = property.value("type", OrderedJson());
      if (!header->is_string() || !is_token(header->get_ref<const std::string&>())) {
        return Error{Code::kInvalid, name + ": x-mcp-header must be a header's name"};
      }
      if (type != "string" && type != "integer" && type != "boolean") {
        return Error{Code::kInvalid, name + ": x-mcp-header is for strings, integers and booleans"};
      }
      std::string lower = header->get<std::string>();
      for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      for (const HeaderParam& other : found) {
        if (other.name == lower) return Error{Code::kInvalid, name + ": x-mcp-header names one header twice"};
      }
      found.push_back({std::move(lower), path});
    }
    KHIPU_TRY(find_header_params(property, path, found));
    path.pop_back();
  }
  return {};
}

protocol::Offer make_offer(const Options& options, const std::vector<RegisteredTool>& tools,
                           const std::vector<std::unique_ptr<Prompt>>& prompts, const ResourceProvider* resources) {
  const bool changes = options.changes != nullptr;
  const bool lists_change = changes && options.changes->lists_change();
  const auto completes = [](const auto& prompt) { return prompt->completes(); };
  protocol::Offer offer;
  offer.tools = !tools.empty();
  offer.tools_change = lists_change && offer.tools;
  offer.prompts = !prompts.empty();
  offer.prompts_change = lists_change && offer.prompts;
  offer.resources = resources != nullptr;
  offer.resources_change = lists_change && offer.resources;
  offer.resources_subscribe = changes && offer.resources && resources->can_subscribe();
  offer.completions =
      (offer.resources && resources->completes()) || std::any_of(prompts.begin(), prompts.end(), completes);
  offer.logging = options.logging;
  return offer;
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
    std::vector<HeaderParam> header_params;
    std::vector<std::string> path;
    KHIPU_TRY(at(definition.name, find_header_params(definition.input_schema, path, header_params)));
    registered.push_back({std::move(tool), std::move(definition), std::move(header_params)});
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
      offer_(make_offer(options_, tools_, prompts_, resources_.get())),
      faults_(std::make_unique<PacedLog>(options_.log)),
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

}  // namespace khipu::mcp::server
