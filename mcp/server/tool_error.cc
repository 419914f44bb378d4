#include "mcp/server/tool_error.h"

namespace khipu::mcp::server {

ToolResult error_result(const ToolError& error) {
  OrderedJson json = {{"code", error.code}};
  std::string text = error.code + ": " + error.hint;
  if (!error.field.empty()) json["field"] = error.field;
  if (!error.got.empty()) {
    json["got"] = error.got;
    if (error.hint.find(error.got) == std::string::npos) text += " Got: " + error.got + ".";
  }
  if (!error.allowed.empty()) {
    json["allowed"] = error.allowed;
    text += " Valid:";
    for (const std::string& name : error.allowed) text += (&name == &error.allowed.front() ? " " : ", ") + name;
    text += ".";
  }
  if (!error.did_you_mean.empty()) {
    json["did_you_mean"] = error.did_you_mean;
    text += " Did you mean \"" + error.did_you_mean + "\"?";
  }
  json["hint"] = error.hint;
  if (error.retry_after_s > 0) {
    json["retry_after_s"] = error.retry_after_s;
    text += " Retry after " + std::to_string(error.retry_after_s) + " s.";
  }
  ToolResult result;
  result.text = std::move(text);
  result.structured = OrderedJson{{"error", std::move(json)}};
  result.is_error = true;
  return result;
}

}  // namespace khipu::mcp::server
