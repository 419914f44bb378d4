// Log messages to the client: `logging/setLevel` in legacy revisions, _meta logLevel in modern requests.
#pragma once

#include <optional>
#include <string_view>

#include "mcp/jsonrpc/json.h"

namespace khipu::mcp::protocol {

// RFC 5424's, in order of weight.
enum class LogLevel { kDebug, kInfo, kNotice, kWarning, kError, kCritical, kAlert, kEmergency };

std::string_view log_level_name(LogLevel level);
std::optional<LogLevel> log_level_named(std::string_view name);
OrderedJson log_message_json(LogLevel level, OrderedJson data);

}  // namespace khipu::mcp::protocol
