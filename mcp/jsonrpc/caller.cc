#include "mcp/jsonrpc/caller.h"

#include <algorithm>

namespace khipu::mcp::jsonrpc {

bool Caller::has_grant(std::string_view grant) const {
  return std::find(grants.begin(), grants.end(), grant) != grants.end();
}

}  // namespace khipu::mcp::jsonrpc
