// What the modern revision (2026-07-28) puts around every request and result, and its own methods: `server/discover`
// and `subscriptions/listen`.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "engine/base/result.h"
#include "mcp/jsonrpc/message.h"
#include "mcp/protocol/content.h"
#include "mcp/protocol/input.h"
#include "mcp/protocol/lifecycle.h"
#include "mcp/protocol/logging.h"

namespace khipu::mcp::protocol {

// _meta of a modern request. Nothing of it outlives the request.
struct Envelope {
  std::string version;  // as it came: possibly none we serve
  ClientCapabilities client;
  Implementation client_info;  // optional in the request
  std::optional<LogLevel> log_level;
};
// kInvalid names the key that is missing or has the wrong type.
Result<Envelope> parse_envelope(const Json& params);

// resultType and the server's name, which every modern result has. resultType stays if it is there.
OrderedJson modern_result(OrderedJson result, const Implementation& server);
OrderedJson modern_meta(OrderedJson meta, const Implementation& server);  // the _meta of such a result
void add_cache_hints(OrderedJson& result, const CacheHints& cache);

OrderedJson discover_result(const Offer& offer, const std::string& instructions);
// data of kUnsupportedProtocolVersion.
OrderedJson unsupported_version_data(const std::string& requested);

struct SubscriptionFilter {
  bool tools = false;
  bool prompts = false;
  bool resources = false;
  std::set<std::string> uris;
};
inline constexpr size_t kSubscribedUrisMax = 1000;
Result<SubscriptionFilter> parse_listen(const Json& params);
OrderedJson filter_json(const SubscriptionFilter& filter);
// Tags a notification's params, or a result, with the listen request it belongs to.
OrderedJson with_subscription(OrderedJson params, const jsonrpc::Id& listen);

}  // namespace khipu::mcp::protocol
