#include "mcp/protocol/input.h"

namespace khipu::mcp::protocol {
namespace {

using Kind = InputRequest::Kind;

bool is_url_mode(const InputRequest& request) { return request.params.value("mode", std::string("form")) == "url"; }

const Json* member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || !found->is_object() ? nullptr : &*found;
}

}  // namespace

ClientCapabilities parse_capabilities(const Json& capabilities) {
  ClientCapabilities client;
  if (!capabilities.is_object()) return client;
  client.sampling = member(capabilities, "sampling") != nullptr;
  client.roots = member(capabilities, "roots") != nullptr;
  if (const Json* elicitation = member(capabilities, "elicitation")) {
    client.elicitation_url = member(*elicitation, "url") != nullptr;
    // An empty object is what clients sent before there were modes: it means forms.
    client.elicitation_form = member(*elicitation, "form") != nullptr || !client.elicitation_url;
  }
  return client;
}

std::string_view input_method(Kind kind) {
  switch (kind) {
    case Kind::kElicitation: return "elicitation/create";
    case Kind::kSampling: return "sampling/createMessage";
    case Kind::kRoots: return "roots/list";
  }
  return {};
}

bool can_ask(const ClientCapabilities& client, const InputRequest& request) {
  switch (request.kind) {
    case Kind::kElicitation: return is_url_mode(request) ? client.elicitation_url : client.elicitation_form;
    case Kind::kSampling: return client.sampling;
    case Kind::kRoots: return client.roots;
  }
  return false;
}

OrderedJson required_capabilities(const std::map<std::string, InputRequest>& requests) {
  OrderedJson required = OrderedJson::object();
  for (const auto& [key, request] : requests) {
    if (request.kind == Kind::kSampling) required["sampling"] = OrderedJson::object();
    if (request.kind == Kind::kRoots) required["roots"] = OrderedJson::object();
    if (request.kind != Kind::kElicitation) continue;
    if (!required.contains("elicitation")) required["elicitation"] = OrderedJson::object();
    required["elicitation"][is_url_mode(request) ? "url" : "form"] = OrderedJson::object();
  }
  return required;
}

OrderedJson input_required_json(const InputRequired& required, const std::string& state) {
  OrderedJson json = {{"resultType", "input_required"}};
  for (const auto& [key, request] : required.requests) {
    json["inputRequests"][key] = {{"method", input_method(request.kind)}, {"params", request.params}};
  }
  if (!state.empty()) json["requestState"] = state;
  return json;
}

Result<InputResponses> parse_input_responses(const Json& params) {
  InputResponses responses;
  const auto given = params.find("inputResponses");
  if (given == params.end()) return responses;
  if (!given->is_object()) return Error{Code::kInvalid, "params.inputResponses must be an object"};
  for (const auto& [key, response] : given->items()) {
    if (!response.is_object()) return Error{Code::kInvalid, "each of params.inputResponses must be an object"};
    responses.emplace(key, response);
  }
  return responses;
}

}  // namespace khipu::mcp::protocol
