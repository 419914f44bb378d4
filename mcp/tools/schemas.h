// The files of schemas/, embedded at build time.
#pragma once

#include <string_view>

namespace khipu::mcp::tools {

// The text of schemas/<name>.json; empty when there is no such file.
std::string_view embedded_schema(std::string_view name);

}  // namespace khipu::mcp::tools
