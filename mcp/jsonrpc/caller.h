// Who sends a message: found out by what delivers it (mcp/transport, mcp/auth), acted on by what answers it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace khipu::mcp::jsonrpc {

// What of the log a caller may see: an empty list does not restrict. Tools hold their queries to it.
struct Scope {
  std::vector<std::string> types;    // entity types
  std::vector<std::string> sources;  // Event::source
  std::vector<std::string> tenants;  // the custom column `tenant`
  bool is_everything() const { return types.empty() && sources.empty() && tenants.empty(); }
};

// On stdio the user who started us, with every grant; on HTTP what the token says.
struct Caller {
  std::string id;                   // "uid:1000", "token:auditor-1": binds sessions and cursors, goes to the access log
  std::vector<std::string> grants;  // query, reveal, prove, verify, access_log
  std::string client;               // the host's own name and version: told, not proven
  Scope scope = {};
  bool has_grant(std::string_view grant) const;
};

}  // namespace khipu::mcp::jsonrpc
