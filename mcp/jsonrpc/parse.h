// Text from outside to messages. Bounded in size, depth and batch length; never throws, never fails: what cannot be
// taken becomes an Invalid that says why, with the request's id whenever it could be read.
#pragma once

#include <string_view>

#include "mcp/jsonrpc/message.h"

namespace khipu::mcp::jsonrpc {

struct Limits {
  size_t size_bytes_max = size_t{4} << 20;
  size_t depth_max = 64;  // nested arrays and objects
  size_t batch_count_max = 64;
};

// Text that is not UTF-8 JSON is kParseError without an id. Duplicate member names and excessive depth are
// kInvalidRequest, and the text is still read to its end to find the id.
Incoming parse(std::string_view text, const Limits& limits = {});

// One JSON value within the limits, without duplicate names; nullopt for anything else.
std::optional<Json> parse_value(std::string_view text, const Limits& limits = {});

}  // namespace khipu::mcp::jsonrpc
