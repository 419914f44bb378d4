// The subset of JSON Schema that tools publish, and the check of a value against it.
//
// Keywords: type (one name), enum, const, properties, required, additionalProperties, items, minimum, maximum,
// minLength, maxLength, minItems, maxItems; title, description and default are shown and not checked. All mean the same
// in draft-07 and 2020-12, and no host drops a tool over them. mcp/server/lint.h refuses every other one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mcp/jsonrpc/json.h"

namespace khipu::mcp::server {

// The first thing in a value that its schema does not allow, in the order of the schema.
struct Violation {
  enum class Kind { kUnknownMember, kMissingMember, kType, kEnum, kRange, kLength, kCount };
  Kind kind = Kind::kType;
  std::string path;                  // "actor_match.type", "seq[2]"; empty: the value itself
  std::string got;                   // the unknown name, or the value if it is a scalar: hostile
  std::string expected;              // "integer", "at most 200", "at least 1 element"; ours
  std::vector<std::string> allowed;  // kUnknownMember: the members; kEnum: the values
};

// J is Json (arguments) or OrderedJson (results). `schema` passed lint; a keyword it does not know is not looked at.
template <typename J>
std::optional<Violation> find_violation(const OrderedJson& schema, const J& value);

extern template std::optional<Violation> find_violation(const OrderedJson&, const Json&);
extern template std::optional<Violation> find_violation(const OrderedJson&, const OrderedJson&);

// Whether `value` has the JSON type `name`; "number" takes integers, "integer" takes no 1.0.
template <typename J>
bool has_type(const J& value, std::string_view name) {
  if (name == "object") return value.is_object();
  if (name == "array") return value.is_array();
  if (name == "string") return value.is_string();
  if (name == "boolean") return value.is_boolean();
  if (name == "integer") return value.is_number_integer();
  if (name == "number") return value.is_number();
  return false;
}

// UTF-8 code points; what minLength and maxLength count.
size_t count_code_points(std::string_view text);

}  // namespace khipu::mcp::server
