// Every JSON-RPC error code khipu-mcp may send. The table of situations is in mcp/README.md.
//
// Not here: what a tool could not do or was asked wrongly. Those are results with isError (mcp/server/tool.h).
#pragma once

namespace khipu::mcp::jsonrpc {

enum class ErrorCode : int {
  kParseError = -32700,
  kInvalidRequest = -32600,
  kMethodNotFound = -32601,
  kInvalidParams = -32602,
  kInternalError = -32603,
  kNoSession = -32000,  // legacy HTTP only, as is the next: what other servers say there
  kUnknownSession = -32001,
  kResourceNotFound = -32002,  // legacy revisions only; modern ones say kInvalidParams
  kHeaderMismatch = -32020,    // modern only, as are the next two
  kMissingClientCapability = -32021,
  kUnsupportedProtocolVersion = -32022,
};

}  // namespace khipu::mcp::jsonrpc
