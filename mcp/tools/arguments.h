// Arguments of a call, held to the tool's own input schema, and the errors that teach the caller what would be right.
//
// The schema is the file clients see. Kinder than plain validation, as hosts mangle arguments: a text that parses to the
// declared array, object, number or boolean is taken as that, a bare value where an array is declared becomes an array
// of one, an integer where a string is declared its digits. Each such change is reported.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mcp/server/tool.h"

namespace khipu::mcp::tools {

// One thing wrong with a call, for the model to repair. Everything but `got` is ours; `got` is rendered.
struct ArgumentError {
  std::string code;     // UNKNOWN_ARGUMENT, UNKNOWN_VALUE, INVALID_ARGUMENT, ... (TOOLS.md 2.8)
  std::string field;    // "actor_match.type"; empty: the call as a whole
  std::string got;      // empty: nothing was given
  std::vector<std::string> allowed;
  std::string did_you_mean;
  std::string hint;     // one sentence: what would be right
  int64_t retry_after_s = 0;
};

// The isError result for it: the code and the sentence as text, and {error: {...}} beside it.
server::ToolResult error_result(const ArgumentError& error);

struct Arguments {
  Json values;                         // an object that satisfies the schema
  std::vector<std::string> coercions;  // "limit: text \"25\" taken as integer"
};

// `schema` uses the subset of mcp/server/schema.h.
std::variant<Arguments, ArgumentError> check_arguments(const OrderedJson& schema, const Json& arguments);

// The nearest of `candidates` within a third of its length; empty if none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace khipu::mcp::tools
