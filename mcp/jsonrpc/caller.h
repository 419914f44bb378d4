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
  std::string id;                   // "uid:1000", "token:auditor-1": goes to the access log
  std::vector<std::string> grants;  // query, reveal, prove, verify, access_log
  std::string client;               // the host's own name and version: told, not proven
  Scope scope = {};
  bool has_grant(std::string_view grant) const;
  // Who it is and what it may do: id, grants and scope, whatever their order. Sessions, cursors and exports are for it,
  // not for the id: another token of the same name may do less.
  std::string authority() const;
};

}  // namespace khipu::mcp::jsonrpc
