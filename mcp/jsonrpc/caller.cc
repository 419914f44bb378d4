#include "mcp/jsonrpc/caller.h"

#include <algorithm>

namespace khipu::mcp::jsonrpc {

bool Caller::has_grant(std::string_view grant) const {
  return std::find(grants.begin(), grants.end(), grant) != grants.end();
}

std::string Caller::authority() const {
  std::string text;
  const auto add = [&](std::string_view part) { text.append(std::to_string(part.size())).append(":").append(part); };
  add(id);
  for (std::vector<std::string> list : {grants, scope.types, scope.sources, scope.tenants}) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
    text += ";";
    for (const std::string& part : list) add(part);
  }
  return text;
}

}  // namespace khipu::mcp::jsonrpc
