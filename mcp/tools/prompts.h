// The prompts of prompts/, embedded at build time: flows that a person starts. Each file is lines `name: value` (title,
// description, and `argument: NAME | required or optional | what stands there when it is not given | description`), an
// empty line, and the text with {{NAME}} where an argument goes. Also the two manuals of prompts/guides/.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "mcp/server/prompt.h"
#include "mcp/tools/audit_tool.h"

namespace khipu::mcp::tools {

// The text of prompts/<name>.md or prompts/guides/<name>.md ("guides/query"); empty when there is no such file.
std::string_view embedded_prompt(std::string_view name);
const std::vector<std::string_view>& embedded_prompt_names();  // without the guides

std::vector<std::unique_ptr<server::Prompt>> make_prompts(AuditContext& audit);

// Values for an argument or a template variable, as this caller may see them: entities, types, actions, sources,
// periods, the newest events.
server::Completion complete_word(AuditContext& audit, std::string_view argument, const std::string& typed,
                                 const protocol::PromptArguments& settled, server::CallContext& context);

}  // namespace khipu::mcp::tools
