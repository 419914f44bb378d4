// Completion of prompt arguments and template variables, as prompts (prompt.h) and resources (resource.h) answer it.
#pragma once

#include "mcp/protocol/prompts.h"

namespace khipu::mcp::server {

using protocol::CompleteRequest;
using protocol::Completion;

// The values that begin with what was typed, for a short list that is at hand. Case counts.
Completion complete_from(const std::vector<std::string>& values, std::string_view typed);

}  // namespace khipu::mcp::server
