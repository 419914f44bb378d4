// `initialize`: what the client says and what we answer.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "mcp/jsonrpc/json.h"
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

struct InitializeRequest {
  Revision revision = kNewestLegacy;  // negotiated, not asked
  Implementation client;
};

// Lenient but for the version: hosts send members no revision knows.
Result<InitializeRequest> parse_initialize(const Json& params);

OrderedJson initialize_result(Revision revision, const Implementation& server, const std::string& instructions);

}  // namespace khipu::mcp::protocol
