#include "mcp/transport/sse.h"

#include <algorithm>

namespace khipu::mcp::transport {

std::string sse_event(std::string_view line) {
  std::string event;
  event.reserve(line.size() + 8);
  while (true) {
    const size_t end = std::min(line.find_first_of("\r\n"), line.size());
    event += "data: ";
    event += line.substr(0, end);
    event += '\n';
    if (end == line.size()) break;
    const bool is_pair = line[end] == '\r' && end + 1 < line.size() && line[end + 1] == '\n';
    line.remove_prefix(end + (is_pair ? 2 : 1));
  }
  event += '\n';
  return event;
}

}  // namespace khipu::mcp::transport
