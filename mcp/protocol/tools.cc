#include "mcp/protocol/tools.h"

#include <cmath>

#include "mcp/jsonrpc/print.h"
#include "mcp/protocol/modern.h"

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
  static const Json kNone = Json::object();
  const auto given = params.find("arguments");
  const Json& arguments = given == params.end() || given->is_null() ? kNone : *given;
  if (!arguments.is_object()) return Error{Code::kInvalid, "params.arguments must be an object"};
  return CallRequest{name->get_ref<const std::string&>(), arguments};
}

void append_call_result(std::string& out, const CallResult& result, Revision revision, const Implementation& server) {
  out += R"({"content":[)";
  if (!result.text.empty() || result.content.empty()) {
    out += R"({"type":"text","text":)";
    jsonrpc::append_text(out, result.text);
    out += '}';
  }
  const auto append_block = [&](const Content& content) {
    if (out.back() != '[') out += ',';
    jsonrpc::append_json(out, content_json(content, revision));
  };
  for (const Content& content : result.content) append_block(content);
  for (const ResourceLink& link : result.links) append_block(link);
  out += ']';
  if (has_structured_output(revision) && result.structured) {
    out += R"(,"structuredContent":)";
    jsonrpc::append_json(out, *result.structured);
  }
  if (result.is_error) out += R"(,"isError":true)";
  if (is_modern(revision)) {
    out += R"(,"resultType":"complete","_meta":)";
    jsonrpc::append_json(out, modern_meta(result.meta, server));
  } else if (!result.meta.empty()) {
    out += R"(,"_meta":)";
    jsonrpc::append_json(out, result.meta);
  }
  out += '}';
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
