#include "mcp/protocol/lifecycle.h"

#include "engine/base/utf8.h"

namespace khipu::mcp::protocol {
namespace {

std::string text_or_empty(const Json& object, const char* key) {
  const auto member = object.find(key);
  return member != object.end() && member->is_string() ? member->get<std::string>() : std::string();
}

void set_if_given(OrderedJson& object, const char* key, const std::string& value) {
  if (!value.empty()) object[key] = value;
}

OrderedJson changing(bool changes) { return changes ? OrderedJson{{"listChanged", true}} : OrderedJson::object(); }

}  // namespace

OrderedJson implementation_json(const Implementation& implementation, Revision revision) {
  OrderedJson json = {{"name", implementation.name}, {"version", implementation.version}};
  if (has_titles(revision)) set_if_given(json, "title", implementation.title);
  if (has_server_description(revision)) {
    set_if_given(json, "description", implementation.description);
    set_if_given(json, "websiteUrl", implementation.website_url);
  }
  return json;
}

Implementation parse_implementation(const Json& object) {
  Implementation implementation;
  if (!object.is_object()) return implementation;
  implementation.name = text_or_empty(object, "name");
  implementation.version = text_or_empty(object, "version");
  return implementation;
}

std::string short_name(const Implementation& told) {
  constexpr size_t kSizeMax = 128;
  std::string name(told.name, 0, whole_characters(told.name, kSizeMax));
  if (told.version.empty() || name.size() + 1 >= kSizeMax) return name;
  if (!name.empty()) name += ' ';
  return name.append(told.version, 0, whole_characters(told.version, kSizeMax - name.size()));
}

OrderedJson capabilities_json(const Offer& offer, Revision revision) {
  OrderedJson json = OrderedJson::object();
  if (offer.tools) json["tools"] = changing(offer.tools_change);
  if (offer.prompts) json["prompts"] = changing(offer.prompts_change);
  if (offer.resources) {
    json["resources"] = changing(offer.resources_change);
    if (offer.resources_subscribe) json["resources"]["subscribe"] = true;
  }
  if (offer.completions && declares_completions(revision)) json["completions"] = OrderedJson::object();
  if (offer.logging) json["logging"] = OrderedJson::object();
  return json;
}

Result<InitializeRequest> parse_initialize(const Json& params) {
  const auto version = params.find("protocolVersion");
  if (version == params.end() || !version->is_string()) {
    return Error{Code::kInvalid, "initialize needs params.protocolVersion, a string such as \"" +
                                     std::string(revision_name(kNewestLegacy)) + "\""};
  }
  InitializeRequest request;
  request.revision = negotiate(version->get_ref<const std::string&>());
  if (const auto client = params.find("clientInfo"); client != params.end()) {
    request.client = parse_implementation(*client);
  }
  if (const auto capabilities = params.find("capabilities"); capabilities != params.end()) {
    request.capabilities = parse_capabilities(*capabilities);
    request.capabilities.elicitation_form &= has_elicitation(request.revision);
    request.capabilities.elicitation_url &= has_url_elicitation(request.revision);
  }
  return request;
}

OrderedJson initialize_result(Revision revision, const Implementation& server, const Offer& offer,
                              const std::string& instructions) {
  OrderedJson result = {{"protocolVersion", revision_name(revision)}};
  result["capabilities"] = capabilities_json(offer, revision);
  result["serverInfo"] = implementation_json(server, revision);
  set_if_given(result, "instructions", instructions);
  return result;
}

}  // namespace khipu::mcp::protocol
