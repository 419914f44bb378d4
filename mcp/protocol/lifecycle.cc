#include "mcp/protocol/lifecycle.h"

namespace khipu::mcp::protocol {
namespace {

std::string text_or_empty(const Json& object, const char* key) {
  const auto member = object.find(key);
  return member != object.end() && member->is_string() ? member->get<std::string>() : std::string();
}

void set_if_given(OrderedJson& object, const char* key, const std::string& value) {
  if (!value.empty()) object[key] = value;
}

}  // namespace

Result<InitializeRequest> parse_initialize(const Json& params) {
  const auto version = params.find("protocolVersion");
  if (version == params.end() || !version->is_string()) {
    return Error{Code::kInvalid, "initialize needs params.protocolVersion, a string such as \"" +
                                     std::string(revision_name(kNewestLegacy)) + "\""};
  }
  InitializeRequest request;
  request.revision = negotiate(version->get_ref<const std::string&>());
  if (const auto client = params.find("clientInfo"); client != params.end() && client->is_object()) {
    request.client.name = text_or_empty(*client, "name");
    request.client.version = text_or_empty(*client, "version");
  }
  return request;
}

OrderedJson initialize_result(Revision revision, const Implementation& server, const std::string& instructions) {
  OrderedJson info = {{"name", server.name}, {"version", server.version}};
  if (has_titles(revision)) set_if_given(info, "title", server.title);
  if (has_server_description(revision)) {
    set_if_given(info, "description", server.description);
    set_if_given(info, "websiteUrl", server.website_url);
  }
  // Only what is served: a declared `logging` or `listChanged` makes hosts send more requests and open more streams.
  OrderedJson result = {{"protocolVersion", revision_name(revision)}};
  result["capabilities"] = {{"tools", OrderedJson::object()}};
  result["serverInfo"] = std::move(info);
  set_if_given(result, "instructions", instructions);
  return result;
}

}  // namespace khipu::mcp::protocol
