// A page of the access log as the answer of audit_query. Not here: which rows (engine/query/access.h), who may ask.
#pragma once

#include "engine/query/engine.h"
#include "mcp/tools/audit_tool.h"

namespace khipu::mcp::tools {

struct AccessAsk {
  query::EventRequest request;
  std::string tz;
  OrderedJson given_window;
  std::vector<std::string> coercions;
  size_t budget_bytes = 12000;
};
server::ToolResult answer_accesses(query::Engine& engine, const AccessAsk& ask, const std::string& mark_tag);

}  // namespace khipu::mcp::tools
