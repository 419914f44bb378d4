// `initialize`: what the client says and what we answer; and what a server declares, in both eras.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "mcp/jsonrpc/json.h"
#include "mcp/protocol/input.h"
#include "mcp/protocol/revision.h"

namespace khipu::mcp::protocol {

// Who speaks, as told by itself: shown in logs, never trusted.
struct Implementation {
  std::string name;
  std::string version;
  std::string title;        // empty: absent
  std::string description;  // empty: absent
  std::string website_url;  // empty: absent
};
OrderedJson implementation_json(const Implementation& implementation, Revision revision);
Implementation parse_implementation(const Json& object);  // lenient: what is no string is empty
// "name version" as far as it was told, of at most 128 bytes, each character whole.
std::string short_name(const Implementation& told);

// What is served, and declared: a declared `logging` or `listChanged` makes hosts send more requests and open more
// streams, so nothing is declared that does not happen.
struct Offer {
  bool tools = false, tools_change = false;
  bool prompts = false, prompts_change = false;
  bool resources = false, resources_change = false, resources_subscribe = false;
  bool completions = false;
  bool logging = false;
};
OrderedJson capabilities_json(const Offer& offer, Revision revision);

struct InitializeRequest {
  Revision revision = kNewestLegacy;  // negotiated, not asked
  Implementation client;
  ClientCapabilities capabilities;  // only what the revision knows
};

// Lenient but for the version: hosts send members no revision knows.
Result<InitializeRequest> parse_initialize(const Json& params);

OrderedJson initialize_result(Revision revision, const Implementation& server, const Offer& offer,
                              const std::string& instructions);

}  // namespace khipu::mcp::protocol
