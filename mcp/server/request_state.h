// requestState: what a handler wants back with the answers to its questions, on its way through a client that may be
// hostile. Signed and bound, not secret: a handler puts no plaintext of a protected field in it.
//
// Text: base64 of u8 version (1) | i64 expiry in microseconds | payload | 32 bytes of BLAKE2b under the key over
// expiry, caller, method, params and payload. What is not ours, altered, of another request or caller, or late is
// refused alike.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "mcp/jsonrpc/json.h"

namespace khipu::mcp::server {

// What a state is good for: one caller asking the same again.
struct StateBinding {
  std::string caller;
  std::string method;
  std::string params;  // without what changes between two rounds
};
StateBinding state_binding(std::string caller, std::string method, Json params);

std::string seal_state(const std::array<uint8_t, 32>& key, const StateBinding& binding, std::string_view payload,
                       TimeUs expires);
Result<std::string> open_state(const std::array<uint8_t, 32>& key, const StateBinding& binding, std::string_view text,
                               TimeUs now);

}  // namespace khipu::mcp::server
