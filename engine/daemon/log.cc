#include "engine/daemon/log.h"

#include <cstdio>

#include "engine/base/time.h"
#include "engine/os/clock.h"

namespace khipu::daemon {

void log(Level level, std::string_view event, std::initializer_list<std::pair<std::string_view, std::string>> facts) {
  constexpr const char* kLevels[] = {" info ", " warning ", " error "};
  std::string line = format_rfc3339(os::system_clock().now());
  line += kLevels[static_cast<size_t>(level)];
  line += event;
  for (const auto& [name, value] : facts) {
    line += ' ';
    line += name;
    line += "=\"";
    for (const char c : value) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20 || byte >= 0x7F || c == '"' || c == '\\') {
        char buffer[8];
        std::snprintf(buffer, sizeof buffer, "\\x%02X", byte);
        line += buffer;
      } else {
        line += c;
      }
    }
    line += '"';
  }
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace khipu::daemon
