#include "mcp/protocol/prompts.h"

#include <algorithm>

namespace khipu::mcp::protocol {
namespace {

Result<PromptArguments> parse_arguments(const Json& object, const char* where) {
  PromptArguments arguments;
  const auto given = object.find("arguments");
  if (given == object.end() || given->is_null()) return arguments;
  if (!given->is_object()) return Error{Code::kInvalid, std::string(where) + " must be an object"};
  for (const auto& [name, value] : given->items()) {
    if (!value.is_string()) return Error{Code::kInvalid, "each of " + std::string(where) + " must be a string"};
    arguments.emplace(name, value.get<std::string>());
  }
  return arguments;
}

const std::string* text_member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? &found->get_ref<const std::string&>() : nullptr;
}

}  // namespace

OrderedJson prompt_json(const PromptInfo& prompt, Revision revision) {
  OrderedJson json = {{"name", prompt.name}};
  if (has_titles(revision) && !prompt.title.empty()) json["title"] = prompt.title;
  json["description"] = prompt.description;
  if (prompt.arguments.empty()) return json;
  json["arguments"] = OrderedJson::array();
  for (const PromptArgument& argument : prompt.arguments) {
    OrderedJson described = {{"name", argument.name}};
    if (has_titles(revision) && !argument.title.empty()) described["title"] = argument.title;
    described["description"] = argument.description;
    described["required"] = argument.required;
    json["arguments"].push_back(std::move(described));
  }
  return json;
}

OrderedJson prompt_result_json(const PromptResult& result, Revision revision) {
  OrderedJson json = OrderedJson::object();
  if (!result.description.empty()) json["description"] = result.description;
  json["messages"] = OrderedJson::array();
  for (const PromptMessage& message : result.messages) {
    json["messages"].push_back({{"role", message.role == Role::kUser ? "user" : "assistant"},
                                {"content", content_json(message.content, revision)}});
  }
  if (!result.meta.is_null()) json["_meta"] = result.meta;
  return json;
}

Result<GetPromptRequest> parse_get_prompt(const Json& params) {
  const std::string* name = text_member(params, "name");
  if (name == nullptr) return Error{Code::kInvalid, "prompts/get needs params.name, the name of a prompt"};
  KHIPU_TRY_ASSIGN(PromptArguments arguments, parse_arguments(params, "params.arguments"));
  return GetPromptRequest{*name, std::move(arguments)};
}

OrderedJson completion_json(const Completion& completion) {
  const size_t count = std::min(completion.values.size(), kCompletionValuesMax);
  OrderedJson values = OrderedJson::array();
  for (size_t index = 0; index < count; ++index) values.push_back(completion.values[index]);
  const auto total = std::max(completion.total.value_or(0), static_cast<int64_t>(completion.values.size()));
  OrderedJson json;
  json["completion"] = {
      {"values", std::move(values)}, {"total", total}, {"hasMore", total > static_cast<int64_t>(count)}};
  if (!completion.meta.is_null()) json["_meta"] = completion.meta;
  return json;
}

Result<CompleteRequest> parse_complete(const Json& params) {
  CompleteRequest request;
  const auto ref = params.find("ref");
  const auto argument = params.find("argument");
  if (ref == params.end() || !ref->is_object() || argument == params.end() || !argument->is_object()) {
    return Error{Code::kInvalid, "completion/complete needs params.ref and params.argument, both objects"};
  }
  const std::string* type = text_member(*ref, "type");
  request.is_prompt = type != nullptr && *type == "ref/prompt";
  if (type == nullptr || (!request.is_prompt && *type != "ref/resource")) {
    return Error{Code::kInvalid, "params.ref.type must be ref/prompt or ref/resource"};
  }
  const std::string* target = text_member(*ref, request.is_prompt ? "name" : "uri");
  const std::string* name = text_member(*argument, "name");
  const std::string* value = text_member(*argument, "value");
  if (target == nullptr) return Error{Code::kInvalid, "params.ref needs a name (prompt) or a uri (resource)"};
  if (name == nullptr || value == nullptr) return Error{Code::kInvalid, "params.argument needs a name and a value"};
  request.ref = *target;
  request.argument = *name;
  request.value = *value;
  if (const auto context = params.find("context"); context != params.end() && !context->is_null()) {
    if (!context->is_object()) return Error{Code::kInvalid, "params.context must be an object"};
    KHIPU_TRY_ASSIGN(request.context, parse_arguments(*context, "params.context.arguments"));
  }
  return request;
}

}  // namespace khipu::mcp::protocol
