// Messages as events of a text/event-stream. Specified in HTML, section 9.2 (server-sent events).
#pragma once

#include <string>
#include <string_view>

namespace khipu::mcp::transport {

inline constexpr std::string_view kStreamOpening = ": open\n\n";  // the first byte some proxies wait for
inline constexpr std::string_view kStreamKeepAlive = ": keepalive\n\n";

// One event whose data is `line`. A line end in it (JSON of ours has none) becomes a second data line, which a reader
// joins again.
std::string sse_event(std::string_view line);

}  // namespace khipu::mcp::transport
