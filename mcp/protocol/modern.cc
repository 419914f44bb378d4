#include "mcp/protocol/modern.h"

namespace khipu::mcp::protocol {
namespace {

constexpr const char* kCapabilitiesKey = "io.modelcontextprotocol/clientCapabilities";
constexpr const char* kClientInfoKey = "io.modelcontextprotocol/clientInfo";
constexpr const char* kLogLevelKey = "io.modelcontextprotocol/logLevel";
constexpr const char* kServerInfoKey = "io.modelcontextprotocol/serverInfo";
constexpr const char* kSubscriptionKey = "io.modelcontextprotocol/subscriptionId";

bool flag(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

}  // namespace

Result<Envelope> parse_envelope(const Json& params) {
  const auto meta = params.find("_meta");
  const std::string version_key(kVersionMetaKey);
  if (meta == params.end() || !meta->is_object() || !meta->contains(version_key)) {
    return Error{Code::kInvalid, "needs params._meta[\"" + version_key + "\"]"};
  }
  Envelope envelope;
  const Json& version = (*meta)[version_key];
  if (!version.is_string()) return Error{Code::kInvalid, "params._meta[\"" + version_key + "\"] must be a string"};
  envelope.version = version.get<std::string>();
  const auto capabilities = meta->find(kCapabilitiesKey);
  if (capabilities == meta->end() || !capabilities->is_object()) {
    return Error{Code::kInvalid, std::string("needs params._meta[\"") + kCapabilitiesKey + "\"], an object"};
  }
  envelope.client = parse_capabilities(*capabilities);
  if (const auto info = meta->find(kClientInfoKey); info != meta->end()) {
    envelope.client_info = parse_implementation(*info);
  }
  if (const auto level = meta->find(kLogLevelKey); level != meta->end()) {
    if (level->is_string()) envelope.log_level = log_level_named(level->get_ref<const std::string&>());
    if (!envelope.log_level) {
      return Error{Code::kInvalid, std::string("params._meta[\"") + kLogLevelKey + "\"] must be the name of a level"};
    }
  }
  return envelope;
}

OrderedJson modern_result(OrderedJson result, const Implementation& server) {
  if (!result.contains("resultType")) result["resultType"] = "complete";
  result["_meta"] = modern_meta(std::move(result["_meta"]), server);
  return result;
}

OrderedJson modern_meta(OrderedJson meta, const Implementation& server) {
  meta[kServerInfoKey] = implementation_json(server, kModern);
  return meta;
}

void add_cache_hints(OrderedJson& result, const CacheHints& cache) {
  result["ttlMs"] = cache.ttl_ms;
  result["cacheScope"] = cache.is_public ? "public" : "private";
}

OrderedJson discover_result(const Offer& offer, const std::string& instructions) {
  OrderedJson result;
  // Modern ones only: a client that read a legacy revision here might claim it in _meta, where it means nothing.
  result["supportedVersions"] = OrderedJson::array({revision_name(kModern)});
  result["capabilities"] = capabilities_json(offer, kModern);
  if (!instructions.empty()) result["instructions"] = instructions;
  return result;
}

OrderedJson unsupported_version_data(const std::string& requested) {
  OrderedJson data;
  data["supported"] = OrderedJson::array({revision_name(kModern)});
  data["requested"] = requested;
  return data;
}

Result<SubscriptionFilter> parse_listen(const Json& params) {
  const auto wanted = params.find("notifications");
  if (wanted == params.end() || !wanted->is_object()) {
    return Error{Code::kInvalid, "subscriptions/listen needs params.notifications, an object"};
  }
  SubscriptionFilter filter{flag(*wanted, "toolsListChanged"),
                            flag(*wanted, "promptsListChanged"),
                            flag(*wanted, "resourcesListChanged"),
                            {}};
  const auto uris = wanted->find("resourceSubscriptions");
  if (uris == wanted->end()) return filter;
  if (!uris->is_array() || uris->size() > kSubscribedUrisMax) {
    return Error{Code::kInvalid, "params.notifications.resourceSubscriptions must be a list of at most 1000 URIs"};
  }
  for (const Json& uri : *uris) {
    if (!uri.is_string()) return Error{Code::kInvalid, "each of resourceSubscriptions must be a string"};
    filter.uris.insert(uri.get<std::string>());
  }
  return filter;
}

OrderedJson filter_json(const SubscriptionFilter& filter) {
  OrderedJson json = OrderedJson::object();
  if (filter.tools) json["toolsListChanged"] = true;
  if (filter.prompts) json["promptsListChanged"] = true;
  if (filter.resources) json["resourcesListChanged"] = true;
  if (!filter.uris.empty()) json["resourceSubscriptions"] = filter.uris;
  return json;
}

OrderedJson with_subscription(OrderedJson params, const jsonrpc::Id& listen) {
  params["_meta"][kSubscriptionKey] = listen.to_json();
  return params;
}

}  // namespace khipu::mcp::protocol
