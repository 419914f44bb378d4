// What headers say, and who may come by them: Host, Origin, Accept, Content-Type, and the MCP ones. Pure functions over
// strangers' text. Not here: whether the MCP headers fit the body (mcp/server/routing_headers.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "mcp/jsonrpc/channel.h"

namespace khipu::mcp::transport {

bool is_loopback(std::string_view address);  // 127.0.0.0/8 or ::1, numeric

// "name", "name:port", "[v6]:port" to its name in lower case, without brackets; nullopt if it is none of them.
std::optional<std::string> host_name(std::string_view host);

struct HostRules {
  std::vector<std::string> hosts;    // lower case, without ports
  std::vector<std::string> origins;  // exact: "https://app.example.org"
  bool takes_local_origins = false;  // http(s)://localhost and the like, any port
};
// Against DNS rebinding: a page that had our address put behind its own name still sends that name.
bool allows_host(const HostRules& rules, std::string_view host);
bool allows_origin(const HostRules& rules, std::string_view origin);

struct Accepts {
  bool json = false;
  bool stream = false;  // only if it is named: "*/*" gets JSON
};
Accepts parse_accept(std::string_view header);  // absent: JSON
bool is_json_type(std::string_view content_type);

bool has_control(std::string_view text);
std::string trim_blanks(std::string_view text);

// The MCP headers of a request, or what is wrong with them.
using Headers = std::vector<std::pair<std::string, std::string>>;  // names in any case
std::variant<jsonrpc::Head, std::string> collect_head(const Headers& headers);

}  // namespace khipu::mcp::transport
