#include "mcp/protocol/logging.h"

#include <algorithm>
#include <array>

namespace khipu::mcp::protocol {
namespace {

constexpr std::array<std::string_view, 8> kNames = {"debug", "info",     "notice", "warning",
                                                    "error", "critical", "alert",  "emergency"};

}  // namespace

std::string_view log_level_name(LogLevel level) { return kNames[static_cast<size_t>(level)]; }

std::optional<LogLevel> log_level_named(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<LogLevel>(found - kNames.begin());
}

OrderedJson log_message_json(LogLevel level, OrderedJson data) {
  OrderedJson json = {{"level", log_level_name(level)}};
  json["data"] = std::move(data);
  return json;
}

}  // namespace khipu::mcp::protocol
