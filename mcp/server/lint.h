// What hosts silently drop tools for, refused at registration. Each rule has its reason in mcp/README.md.
#pragma once

#include <string>
#include <vector>

#include "mcp/protocol/prompts.h"
#include "mcp/protocol/tools.h"

namespace khipu::mcp::server {

inline constexpr size_t kToolNameSizeMax = 40;
inline constexpr size_t kDescriptionSizeBytesMax = 2000;

// Everything wrong with a definition, one sentence each: "audit_query: inputSchema.limit: unknown keyword format".
// `is_unlinted`: only what the specification itself demands.
std::vector<std::string> lint_tool(const protocol::ToolDefinition& tool, bool is_unlinted = false);

std::vector<std::string> lint_prompt(const protocol::PromptInfo& prompt);

// [A-Za-z0-9_.-], 1 to size_max.
bool is_name(std::string_view text, size_t size_max);

}  // namespace khipu::mcp::server
