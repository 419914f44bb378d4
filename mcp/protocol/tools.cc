#include "mcp/protocol/tools.h"

#include <cmath>

namespace khipu::mcp::protocol {

OrderedJson tool_definition_json(const ToolDefinition& tool, Revision revision) {
  OrderedJson json = {{"name", tool.name}};
  if (has_titles(revision)) json["title"] = tool.title;
  json["description"] = tool.description;
  json["inputSchema"] = tool.input_schema;
  if (has_structured_output(revision) && tool.output_schema) json["outputSchema"] = *tool.output_schema;
  if (has_annotations(revision)) {
    json["annotations"] = {{"title", tool.title},
                           {"readOnlyHint", tool.annotations.read_only},
                           {"destructiveHint", tool.annotations.destructive},
                           {"idempotentHint", tool.annotations.idempotent},
                           {"openWorldHint", tool.annotations.open_world}};
  }
  if (has_titles(revision) && tool.result_size_chars_max) {
    json["_meta"] = {{"anthropic/maxResultSizeChars", *tool.result_size_chars_max}};
  }
  return json;
}

Result<CallRequest> parse_call(const Json& params) {
  const auto name = params.find("name");
  if (name == params.end() || !name->is_string()) {
    return Error{Code::kInvalid, "tools/call needs params.name, the name of a tool"};
  }
  CallRequest call;
  call.name = name->get<std::string>();
  call.arguments = Json::object();
  if (const auto arguments = params.find("arguments"); arguments != params.end() && !arguments->is_null()) {
    if (!arguments->is_object()) return Error{Code::kInvalid, "params.arguments must be an object"};
    call.arguments = *arguments;
  }
  return call;
}

OrderedJson call_result_json(CallResult result, Revision revision) {
  OrderedJson json;
  json["content"] = OrderedJson::array();
  if (!result.text.empty() || result.content.empty()) {
    OrderedJson block;
    block["type"] = "text";
    block["text"] = std::move(result.text);
    json["content"].push_back(std::move(block));
  }
  for (const Content& content : result.content) json["content"].push_back(content_json(content, revision));
  for (const ResourceLink& link : result.links) json["content"].push_back(content_json(link, revision));
  if (has_structured_output(revision) && result.structured) json["structuredContent"] = *std::move(result.structured);
  if (result.is_error) json["isError"] = true;
  if (!result.meta.empty()) json["_meta"] = std::move(result.meta);
  return json;
}

std::optional<jsonrpc::Id> parse_progress_token(const Json& params) {
  const auto meta = params.find("_meta");
  if (meta == params.end() || !meta->is_object()) return std::nullopt;
  const auto token = meta->find("progressToken");
  return token == meta->end() ? std::nullopt : jsonrpc::Id::from(*token);
}

std::optional<jsonrpc::Id> parse_cancelled(const Json& params) {
  const auto id = params.find("requestId");
  return id == params.end() ? std::nullopt : jsonrpc::Id::from(*id);
}

OrderedJson progress_json(const jsonrpc::Id& token, const Progress& progress, Revision revision) {
  OrderedJson json = {{"progressToken", token.to_json()}, {"progress", progress.value}};
  if (progress.total && std::isfinite(*progress.total)) json["total"] = *progress.total;
  if (has_progress_message(revision) && !progress.message.empty()) json["message"] = progress.message;
  return json;
}

}  // namespace khipu::mcp::protocol
