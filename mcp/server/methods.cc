#include "mcp/server/methods.h"

#include <algorithm>
#include <array>
#include <utility>

#include "mcp/server/lint.h"
#include "mcp/server/schema.h"
#include "mcp/server/tool_error.h"

namespace khipu::mcp::server {
namespace {

using jsonrpc::ErrorCode;

constexpr size_t kNameSizeMax = 64;

// Where calls, reads and prompts are told, so are those that come to nothing.
Reply refused(const Server& server, const std::string& method, CallContext& context, std::string message) {
  if (server.options().observer != nullptr) server.options().observer->refused(method, context);
  return failed(ErrorCode::kInvalidParams, std::move(message));
}

Reply invalid(std::string message) { return failed(ErrorCode::kInvalidParams, std::move(message)); }

// The lists of tools, prompts and templates have one page: several hosts read no other.
std::optional<Reply> refuse_cursor(const Json& params) {
  const auto cursor = params.find("cursor");
  if (cursor == params.end() || cursor->is_null()) return std::nullopt;
  return invalid("unknown cursor: this list has one page");
}

Reply list_tools(const Server& server, const Json& params, const CallContext& context) {
  if (auto refused = refuse_cursor(params)) return *std::move(refused);
  Reply reply;
  reply.result["tools"] = OrderedJson::array();
  for (const RegisteredTool& tool : server.tools()) {
    if (!tool.tool->is_listed(context.caller())) continue;
    reply.result["tools"].push_back(protocol::tool_definition_json(tool.definition, context.revision()));
  }
  reply.cache = server.options().list_cache;
  return reply;
}

Reply call_tool(const Server& server, const Json& params, CallContext& context) {
  const Result<protocol::CallRequest> call = protocol::parse_call(params);
  if (!call.ok()) return refused(server, "tools/call", context, call.error().message);
  const RegisteredTool* tool = server.find(call->name);
  if (tool == nullptr || !tool->tool->is_listed(context.caller())) {
    // A name that no tool has may be a value in the wrong place: its length is told, and nothing of it.
    const std::string told = tool != nullptr ? call->name : "?" + std::to_string(call->name.size());
    if (server.options().observer != nullptr) server.options().observer->unknown(told, context);
    return invalid("unknown tool" + plain_name(call->name) + "; tools/list names them all");
  }
  ToolResult result = tool->tool->call(call->arguments, context);
  if (result.input_required) return {{}, std::move(result.input_required), {}, {}};
  if (server.options().observer != nullptr) {
    server.options().observer->finished(*tool->tool, call->arguments, context, result);
  }
  // Some clients hold the structured form of an error to the tool's output schema: then only the text form carries it.
  const auto& schema = tool->definition.output_schema;
  if (result.is_error && result.structured && schema && find_violation(*schema, *result.structured)) {
    result.structured.reset();
  }
  return {nullptr, {}, {}, {}, std::move(result)};
}

Reply list_prompts(const Server& server, const Json& params, const CallContext& context) {
  if (auto refused = refuse_cursor(params)) return *std::move(refused);
  Reply reply;
  reply.result["prompts"] = OrderedJson::array();
  for (const auto& prompt : server.prompts()) {
    reply.result["prompts"].push_back(protocol::prompt_json(prompt->info(), context.revision()));
  }
  reply.cache = server.options().list_cache;
  return reply;
}

// The first argument that is missing or unknown, as a sentence.
std::optional<std::string> find_fault(const PromptInfo& info, const PromptArguments& given) {
  for (const PromptArgument& argument : info.arguments) {
    if (argument.required && !given.contains(argument.name)) return "the prompt needs the argument " + argument.name;
  }
  for (const auto& [name, value] : given) {
    const auto has_name = [&](const PromptArgument& argument) { return argument.name == name; };
    if (std::none_of(info.arguments.begin(), info.arguments.end(), has_name)) {
      return "the prompt has no argument" + plain_name(name);
    }
  }
  return std::nullopt;
}

Reply failure_of(const Error& error) {
  const bool is_theirs =
      error.code == Code::kInvalid || error.code == Code::kForbidden || error.code == Code::kNotFound;
  return failed(is_theirs ? ErrorCode::kInvalidParams : ErrorCode::kInternalError, error.message);
}

Reply get_prompt(const Server& server, const Json& params, CallContext& context) {
  const Result<protocol::GetPromptRequest> request = protocol::parse_get_prompt(params);
  const auto refuse = [&](std::string why) { return refused(server, "prompts/get", context, std::move(why)); };
  if (!request.ok()) return refuse(request.error().message);
  Prompt* prompt = server.find_prompt(request->name);
  if (prompt == nullptr) return refuse("unknown prompt" + plain_name(request->name) + "; prompts/list names them all");
  if (auto fault = find_fault(prompt->info(), request->arguments)) return refuse(*std::move(fault));
  Result<PromptResult> result = prompt->get(request->arguments, context);
  if (result.ok() && result->input_required) return {{}, std::move(result->input_required), {}, {}};
  if (server.options().observer != nullptr) server.options().observer->prompted(request->name, context, result);
  if (!result.ok()) return failure_of(result.error());
  return {protocol::prompt_result_json(*result, context.revision()), {}, {}, {}};
}

Reply list_resources(const Server& server, const Json& params, CallContext& context) {
  std::string cursor;
  if (const auto given = params.find("cursor"); given != params.end() && !given->is_null()) {
    // An empty cursor is not "from the start": a client that sends one has lost its place.
    if (!given->is_string() || given->get_ref<const std::string&>().empty()) return invalid("unknown cursor");
    cursor = given->get<std::string>();
  }
  const Result<ResourcePage> page = server.resources()->list(cursor, context);
  if (!page.ok()) return failure_of(page.error());
  Reply reply;
  reply.result["resources"] = OrderedJson::array();
  for (const ResourceInfo& resource : page->resources) {
    reply.result["resources"].push_back(protocol::resource_json(resource, context.revision()));
  }
  if (!page->next_cursor.empty()) reply.result["nextCursor"] = page->next_cursor;
  reply.cache = server.resources()->list_cache();
  return reply;
}

Reply list_templates(const Server& server, const Json& params, const CallContext& context) {
  if (auto refused = refuse_cursor(params)) return *std::move(refused);
  Reply reply;
  reply.result["resourceTemplates"] = OrderedJson::array();
  for (const ResourceTemplate& resource : server.resources()->templates()) {
    reply.result["resourceTemplates"].push_back(protocol::resource_template_json(resource, context.revision()));
  }
  reply.cache = server.resources()->list_cache();
  return reply;
}

Reply read_resource(const Server& server, const Json& params, CallContext& context) {
  const Result<std::string> uri = protocol::parse_uri(params);
  if (!uri.ok()) return refused(server, "resources/read", context, "resources/read: " + uri.error().message);
  Result<ReadResult> read = server.resources()->read(*uri, context);
  if (read.ok() && read->input_required) return {{}, std::move(read->input_required), {}, {}};
  if (server.options().observer != nullptr) server.options().observer->read(*uri, context, read);
  if (read.ok()) return {protocol::read_result_json(*read), {}, {}, read->cache};
  if (read.error().code != Code::kNotFound && read.error().code != Code::kPurged) return failure_of(read.error());
  const bool is_modern = protocol::is_modern(context.revision());
  Reply reply = failed(is_modern ? ErrorCode::kInvalidParams : ErrorCode::kResourceNotFound, read.error().message);
  reply.failure->data = {{"uri", *uri}};
  return reply;
}

Reply complete(const Server& server, const Json& params, CallContext& context) {
  Result<protocol::CompleteRequest> request = protocol::parse_complete(params);
  const auto refuse = [&](std::string why) { return refused(server, "completion/complete", context, std::move(why)); };
  if (!request.ok()) return refuse(request.error().message);
  Result<Completion> completion = Completion{};
  if (request->is_prompt) {
    Prompt* prompt = server.find_prompt(request->ref);
    if (prompt == nullptr) return refuse("unknown prompt" + plain_name(request->ref) + "; prompts/list names them all");
    const auto& arguments = prompt->info().arguments;
    const auto is_asked = [&](const PromptArgument& argument) { return argument.name == request->argument; };
    if (std::none_of(arguments.begin(), arguments.end(), is_asked)) {
      return refuse("the prompt has no argument" + plain_name(request->argument));
    }
    completion = prompt->complete(*request, context);
  } else {
    if (server.resources() == nullptr) return refuse("this server has no resources");
    completion = server.resources()->complete(*request, context);
  }
  if (server.options().observer != nullptr)
    server.options().observer->completed(request->argument, context, completion);
  if (!completion.ok()) return failure_of(completion.error());
  return {protocol::completion_json(*completion), {}, {}, {}};
}

struct Method {
  std::string_view name;
  bool is_quick;
  bool may_ask;
  bool (*is_offered)(const Server&, protocol::Revision);
  Reply (*perform)(const Server&, const Json&, CallContext&);
};

bool has_tools(const Server& server, protocol::Revision) { return server.offer().tools; }
bool has_prompts(const Server& server, protocol::Revision) { return server.offer().prompts; }
bool has_resources(const Server& server, protocol::Revision) { return server.offer().resources; }
// In 2024-11-05 too: that revision has the method, and no capability to declare it by.
bool has_completions(const Server& server, protocol::Revision) { return server.offer().completions; }

template <auto function>
Reply adapt(const Server& server, const Json& params, CallContext& context) {
  return function(server, params, context);
}

constexpr std::array kMethods = {
    Method{"tools/list", true, false, has_tools, adapt<list_tools>},
    Method{"tools/call", false, true, has_tools, call_tool},
    Method{"prompts/list", true, false, has_prompts, adapt<list_prompts>},
    Method{"prompts/get", false, true, has_prompts, get_prompt},
    Method{"resources/list", false, false, has_resources, list_resources},
    Method{"resources/templates/list", true, false, has_resources, adapt<list_templates>},
    Method{"resources/read", false, true, has_resources, read_resource},
    Method{"completion/complete", false, false, has_completions, complete},
};

const Method* find_method(std::string_view name) {
  const auto found =
      std::find_if(kMethods.begin(), kMethods.end(), [&](const Method& method) { return method.name == name; });
  return found == kMethods.end() ? nullptr : &*found;
}

}  // namespace

Reply failed(ErrorCode code, std::string message) { return {{}, {}, Failure{code, std::move(message)}, {}}; }

bool is_served(const Server& server, std::string_view method, protocol::Revision revision) {
  const Method* found = find_method(method);
  return found != nullptr && found->is_offered(server, revision);
}

bool is_quick(std::string_view method) {
  const Method* found = find_method(method);
  return found == nullptr || found->is_quick;
}

bool may_stay(const Server& server, Stay stay, std::string_view method, const Json& params) {
  if (stay.kind != Stay::kBriefly) return stay.kind == Stay::kByLeave;
  if (method != "tools/call") return false;
  const auto name = params.find("name");
  const RegisteredTool* tool =
      name != params.end() && name->is_string() ? server.find(name->get_ref<const std::string&>()) : nullptr;
  return tool != nullptr && tool->tool->info().is_brief;
}

bool may_ask(std::string_view method) {
  const Method* found = find_method(method);
  return found != nullptr && found->may_ask;
}

Reply perform(const Server& server, const std::string& method, const Json& params, CallContext& context) {
  const Method* found = find_method(method);
  KHIPU_ASSERT(found != nullptr);
  return found->perform(server, params, context);
}

Reply refusal(const std::string& method, const std::string& code, const std::string& hint, int64_t retry_after_s) {
  if (method != "tools/call") return failed(ErrorCode::kInternalError, code + ": " + hint);
  ToolError error;
  error.code = code;
  error.hint = hint;
  error.retry_after_s = retry_after_s;
  return {nullptr, {}, {}, {}, error_result(error)};
}

std::string plain_name(std::string_view text) {
  std::string plain(text);
  for (char& c : plain) c = c == '/' ? '.' : c;
  return is_name(plain, kNameSizeMax) ? " " + std::string(text) : "";
}

}  // namespace khipu::mcp::server
