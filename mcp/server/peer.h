// Who asks, in which revision, and what it can do: settled before a request is served.
#pragma once

#include <memory>
#include <optional>

#include "mcp/jsonrpc/caller.h"
#include "mcp/protocol/input.h"
#include "mcp/protocol/logging.h"
#include "mcp/protocol/revision.h"

namespace khipu::mcp::server {

// Legacy: from the session. Modern: from the request itself, and gone with it.
struct Peer {
  std::shared_ptr<const jsonrpc::Caller> caller;  // shared by the calls of a session
  protocol::Revision revision = protocol::kNewestLegacy;
  protocol::ClientCapabilities client;
  std::optional<protocol::LogLevel> log_level;  // the lightest it wants to hear of; nullopt: none
};

}  // namespace khipu::mcp::server
