#include "mcp/server/completion.h"

#include "mcp/server/prompt.h"
#include "mcp/server/resource.h"

namespace khipu::mcp::server {

Completion complete_from(const std::vector<std::string>& values, std::string_view typed) {
  Completion completion;
  for (const std::string& value : values) {
    if (value.starts_with(typed)) completion.values.push_back(value);
  }
  return completion;
}

Result<Completion> Prompt::complete(const CompleteRequest&, CallContext&) { return Completion{}; }
Result<Completion> ResourceProvider::complete(const CompleteRequest&, CallContext&) { return Completion{}; }

}  // namespace khipu::mcp::server
