// What a tool tells a caller who asked wrongly, or whom it could not serve: one shape for all tools.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mcp/server/tool.h"

namespace khipu::mcp::server {

// One thing wrong with a call, for the model to repair. A template of ours but for `got`, which its maker rendered
// (mcp/tools/render.h) and capped; never a word of the log.
struct ToolError {
  std::string code;   // UNKNOWN_ARGUMENT, INVALID_ARGUMENT, NOT_FOUND, BUSY, ... (mcp/README.md)
  std::string field;  // "actor_match.type"; empty: the call as a whole
  std::string got;    // empty: nothing was given
  std::vector<std::string> allowed;
  std::string did_you_mean;
  std::string hint;  // a sentence or two: what is wrong and what would be right
  int64_t retry_after_s = 0;
};

// isError, the text "CODE: hint ...", and {"error": {...}} as the structured form.
ToolResult error_result(const ToolError& error);

}  // namespace khipu::mcp::server
