// Arguments of a call, held to the tool's own input schema, and the errors that teach the caller what would be right.
//
// The schema is the file clients see. Kinder than plain validation, as hosts mangle arguments: a text that parses to
// the declared array, object, number or boolean is taken as that, a bare value where an array is declared becomes an
// array of one, an integer where a string is declared its digits. Each such change is reported.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mcp/server/tool_error.h"

namespace khipu::mcp::tools {

struct Arguments {
  Json values;                         // an object that satisfies the schema
  std::vector<std::string> coercions;  // "limit: text \"25\" taken as integer"
};

// `schema` uses the subset of mcp/server/schema.h.
std::variant<Arguments, server::ToolError> check_arguments(const OrderedJson& schema, const Json& arguments);

// The nearest of `candidates` within a third of its length; empty if none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace khipu::mcp::tools
