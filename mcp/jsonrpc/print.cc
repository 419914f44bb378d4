#include "mcp/jsonrpc/print.h"

namespace khipu::mcp::jsonrpc {

std::string print(const OrderedJson& json) {
  // `replace`: dump() throws on invalid UTF-8 otherwise. Without an indent it never writes a raw line end.
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

std::string print_result(const Id& id, const OrderedJson& result) {
  // Put together as text: a message as a value costs a small answer more than all else that is printed.
  return R"({"jsonrpc":"2.0","id":)" + print(id.to_json()) + R"(,"result":)" + print(result) + "}";
}

std::string print_error(const std::optional<Id>& id, ErrorCode code, std::string_view text, OrderedJson data) {
  OrderedJson message = {{"jsonrpc", "2.0"}};
  if (id) message["id"] = id->to_json();
  message["error"] = {{"code", static_cast<int>(code)}, {"message", text}};
  if (!data.is_null()) message["error"]["data"] = std::move(data);
  return print(message);
}

std::string print_request(const Id& id, std::string_view method, OrderedJson params) {
  OrderedJson message = {{"jsonrpc", "2.0"}, {"id", id.to_json()}, {"method", method}};
  message["params"] = std::move(params);
  return print(message);
}

std::string print_notification(std::string_view method, OrderedJson params) {
  OrderedJson message = {{"jsonrpc", "2.0"}, {"method", method}};
  message["params"] = std::move(params);
  return print(message);
}

}  // namespace khipu::mcp::jsonrpc
