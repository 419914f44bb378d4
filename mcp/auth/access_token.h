// The claims of a verified access token (RFC 9068) as a caller. Pure: no clock, no keys. Specified in mcp/README.md,
// "OAuth".
#pragma once

#include <string>
#include <string_view>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "mcp/jsonrpc/caller.h"
#include "mcp/jsonrpc/json.h"

namespace khipu::mcp::auth {

inline constexpr std::string_view kScopePrefix = "khipu:";  // khipu:query, khipu:reveal, ...

// An https address, or http on loopback, without query, fragment, user or control characters, as RFC 8707 wants a
// resource: scheme and host in lower case, no slash at the end. kInvalid for anything else.
Result<std::string> canonical_uri(std::string_view text);

// Whose tokens, and for whom. Both canonical, but for the issuer, which is compared as it is.
struct Expected {
  std::string issuer, resource;
};

// kForbidden, saying why and never quoting the token: another issuer or audience, expired (`exp` is needed) or not yet
// valid, a claim of a wrong type. A caller without any grant is returned as such.
Result<jsonrpc::Caller> caller_of(const Json& claims, const Expected& expected, TimeUs now);

}  // namespace khipu::mcp::auth
