// Messages to text: one line of valid UTF-8 without its line end. An absent id is omitted, never null.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "mcp/jsonrpc/message.h"

namespace khipu::mcp::jsonrpc {

std::string print_result(const Id& id, const OrderedJson& result);
// A response up to its result: that follows as text, and then the brace that closes the message.
std::string open_result(const Id& id);
// `data` is omitted when null.
std::string print_error(const std::optional<Id>& id, ErrorCode code, std::string_view message,
                        OrderedJson data = nullptr);
std::string print_request(const Id& id, std::string_view method, OrderedJson params);
std::string print_notification(std::string_view method, OrderedJson params);

// Any JSON as one line; bytes that are not UTF-8 become U+FFFD.
std::string print(const OrderedJson& json);
void append_json(std::string& out, const OrderedJson& json);
void append_text(std::string& out, std::string_view text);  // as a JSON string

}  // namespace khipu::mcp::jsonrpc
