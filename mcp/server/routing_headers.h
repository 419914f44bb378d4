// Modern HTTP repeats parts of a request as headers, so that what stands between can route without reading bodies. A
// server that trusted a header that says something else than the body would let one be smuggled past the other.
#pragma once

#include <optional>
#include <string>

#include "mcp/jsonrpc/channel.h"
#include "mcp/server/server.h"

namespace khipu::mcp::server {

// What is wrong with MCP-Protocol-Version, Mcp-Method or Mcp-Name; nullopt: they fit.
std::optional<std::string> standard_header_fault(const jsonrpc::Head& head, const std::string& method,
                                                 const Json& params);
// The same for Mcp-Param-*, of a tools/call for `tool`. Headers that no argument asks for are ignored.
std::optional<std::string> param_header_fault(const jsonrpc::Head& head, const RegisteredTool& tool,
                                              const Json& params);

// A header's value as the client meant it: =?base64?...?= decoded. nullopt: that form, with other bytes in it.
std::optional<std::string> decode_header_value(const std::string& value);

}  // namespace khipu::mcp::server
