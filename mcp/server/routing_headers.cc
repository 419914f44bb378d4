#include "mcp/server/routing_headers.h"

#include <algorithm>
#include <charconv>

#include "engine/base/bytes.h"
#include "engine/base/utf8.h"
#include "mcp/protocol/revision.h"

namespace khipu::mcp::server {
namespace {

constexpr std::string_view kPrefix = "=?base64?";
constexpr std::string_view kSuffix = "?=";

const Json* find_path(const Json& root, const std::vector<std::string>& path) {
  const Json* value = &root;
  for (const std::string& name : path) {
    if (!value->is_object()) return nullptr;
    const auto found = value->find(name);
    if (found == value->end()) return nullptr;
    value = &*found;
  }
  return value->is_null() ? nullptr : value;
}

bool is_same(const Json& body, const std::string& header) {
  if (body.is_string()) return body.get_ref<const std::string&>() == header;
  if (body.is_boolean()) return header == (body.get<bool>() ? "true" : "false");
  if (!body.is_number()) return false;
  double number = 0;
  const auto [end, failure] = std::from_chars(header.data(), header.data() + header.size(), number);
  if (failure != std::errc() || end != header.data() + header.size()) return false;
  if (header == body.dump()) return true;  // exact above 2^53
  return std::abs(number) < 9007199254740992.0 && number == body.get<double>();
}

// The member of params that Mcp-Name repeats; nullptr: the method has none.
const char* name_member(const std::string& method) {
  if (method == "tools/call" || method == "prompts/get") return "name";
  return method == "resources/read" ? "uri" : nullptr;
}

}  // namespace

std::optional<std::string> decode_header_value(const std::string& value) {
  const std::string_view text = value;
  if (!text.starts_with(kPrefix) || !text.ends_with(kSuffix) || text.size() < kPrefix.size() + kSuffix.size()) {
    return value;
  }
  const auto bytes = from_base64(text.substr(kPrefix.size(), text.size() - kPrefix.size() - kSuffix.size()));
  if (!bytes || !valid_utf8(*bytes)) return std::nullopt;
  return std::string(as_text(*bytes));
}

std::optional<std::string> standard_header_fault(const jsonrpc::Head& head, const std::string& method,
                                                 const Json& params) {
  const Json claimed = params.value("_meta", Json::object()).value(std::string(protocol::kVersionMetaKey), Json());
  if (!head.version) return "the header MCP-Protocol-Version is missing";
  if (claimed != *head.version) return "MCP-Protocol-Version is not the version in params._meta";
  if (!head.method) return "the header Mcp-Method is missing";
  if (*head.method != method) return "Mcp-Method is not the method of the body";
  const char* member = name_member(method);
  if (member == nullptr) return std::nullopt;
  const auto named = params.find(member);
  if (named == params.end() || !named->is_string()) return std::nullopt;  // the params are at fault, and say so
  if (!head.name) return "the header Mcp-Name is missing";
  const std::optional<std::string> name = decode_header_value(*head.name);
  if (!name || named->get_ref<const std::string&>() != *name) {
    return "Mcp-Name is not params." + std::string(member);
  }
  return std::nullopt;
}

std::optional<std::string> param_header_fault(const jsonrpc::Head& head, const RegisteredTool& tool,
                                              const Json& params) {
  const auto arguments = params.find("arguments");
  for (const HeaderParam& param : tool.header_params) {
    const auto has_name = [&](const auto& header) { return header.first == param.name; };
    const auto header = std::find_if(head.params.begin(), head.params.end(), has_name);
    const Json* value = arguments == params.end() ? nullptr : find_path(*arguments, param.path);
    const bool is_given = header != head.params.end();
    if (value == nullptr && !is_given) continue;
    const std::string name = "Mcp-Param-" + param.name;
    if (value == nullptr) return name + " repeats an argument that is not there";
    if (!is_given) return "the header " + name + " is missing";
    const std::optional<std::string> decoded = decode_header_value(header->second);
    if (!decoded) return name + " is not base64 of UTF-8";
    if (!is_same(*value, *decoded)) return name + " is not the argument of the body";
  }
  return std::nullopt;
}

}  // namespace khipu::mcp::server
