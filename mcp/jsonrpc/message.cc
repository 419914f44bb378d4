#include "mcp/jsonrpc/message.h"

namespace khipu::mcp::jsonrpc {

std::optional<Id> Id::from(const Json& json) {
  if (json.is_string()) return Id(json.get<std::string>());
  if (json.is_number_unsigned()) {
    const auto number = json.get<uint64_t>();
    if (number > static_cast<uint64_t>(INT64_MAX)) return Id(number);
    return Id(static_cast<int64_t>(number));
  }
  if (json.is_number_integer()) return Id(json.get<int64_t>());
  return std::nullopt;
}

OrderedJson Id::to_json() const {
  return std::visit([](const auto& value) { return OrderedJson(value); }, value_);
}

}  // namespace khipu::mcp::jsonrpc
