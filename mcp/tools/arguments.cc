#include "mcp/tools/arguments.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "mcp/jsonrpc/parse.h"
#include "mcp/server/schema.h"
#include "mcp/tools/render.h"

namespace khipu::mcp::tools {
namespace {

using server::ToolError;
using server::Violation;

// A structure that arrives as text is a small one: a list of names, a matcher.
constexpr jsonrpc::Limits kTextLimits{.size_bytes_max = 64 * 1024, .depth_max = 16, .batch_count_max = 1};
constexpr size_t kWordSizeMax = 64;

class Coercer {
 public:
  explicit Coercer(std::vector<std::string>& notes) : notes_(notes) {}

  void coerce(const OrderedJson& schema, Json& value, const std::string& path) {
    const std::string type = schema.value("type", "");
    if (!server::has_type(value, type)) coerce_type(type, value, path);
    if (value.is_array() && schema.contains("items")) {
      for (Json& element : value) coerce(schema["items"], element, path + "[]");
    }
    if (value.is_object()) coerce_members(schema, value, path);
  }

  void coerce_members(const OrderedJson& schema, Json& value, const std::string& path) {
    const auto properties = schema.find("properties");
    if (properties == schema.end()) return;
    for (const auto& [name, property] : properties->items()) {
      const auto member = value.find(name);
      if (member == value.end()) continue;
      const std::string where = path.empty() ? name : path + "." + name;
      if (member->is_null()) {
        note(where, "null taken as absent");
        value.erase(member);
      } else {
        coerce(property, *member, where);
      }
    }
  }

 private:
  void note(const std::string& path, const std::string& change) { notes_.push_back(path + ": " + change); }

  void coerce_type(const std::string& type, Json& value, const std::string& path) {
    if (value.is_string() && type != "string") {
      std::optional<Json> parsed = jsonrpc::parse_value(value.get_ref<const std::string&>(), kTextLimits);
      if (parsed && server::has_type(*parsed, type)) {
        note(path, "text taken as " + type);
        value = *std::move(parsed);
        return;
      }
    }
    if (type == "array" && !value.is_null()) {
      // Even if the element is wrong too: the error then is about the element.
      note(path, "a bare value taken as a list of one");
      Json list = Json::array();
      list.push_back(std::move(value));
      value = std::move(list);
    } else if (type == "string" && value.is_number_integer()) {
      note(path, "integer taken as text");
      value = value.dump();
    } else if (type == "integer" && value.is_number_float()) {
      constexpr double kExactMax = 9007199254740992.0;  // 2^53
      const double number = value.get<double>();
      if (std::trunc(number) != number || std::abs(number) > kExactMax) return;
      note(path, "number taken as integer");
      value = static_cast<int64_t>(number);
    }
  }

  std::vector<std::string>& notes_;
};

std::string article(const std::string& type) {
  return (type == "object" || type == "array" || type == "integer" ? "an " : "a ") + type;
}

ToolError explain(const Violation& violation) {
  using Kind = Violation::Kind;
  ToolError error;
  error.code = "INVALID_ARGUMENT";
  error.field = violation.path;
  error.got = render_got(violation.got);
  error.allowed = violation.allowed;
  const std::string name = "\"" + violation.path + "\"";
  switch (violation.kind) {
    case Kind::kUnknownMember:
      error.code = "UNKNOWN_ARGUMENT";
      error.field = violation.path.empty() ? error.got : violation.path + "." + error.got;
      error.hint = "Unknown argument \"" + error.got + "\"" + (violation.path.empty() ? "." : " in " + name + ".");
      error.did_you_mean = nearest(violation.got, violation.allowed);
      break;
    case Kind::kEnum:
      error.code = "UNKNOWN_VALUE";
      error.hint = name + " must be one of the valid values.";
      error.did_you_mean = nearest(violation.got, violation.allowed);
      break;
    case Kind::kMissingMember: error.hint = name + " is required."; break;
    case Kind::kType:
      error.hint = (violation.path.empty() ? "The arguments" : name) + " must be " + article(violation.expected) + ".";
      break;
    case Kind::kRange:
    case Kind::kLength:
    case Kind::kCount: error.hint = name + " must be " + violation.expected + "."; break;
  }
  return error;
}

std::string lower(std::string_view text) {
  std::string folded(text);
  for (char& c : folded) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return folded;
}

// Levenshtein, one row at a time.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t column = 0; column <= b.size(); ++column) row[column] = column;
  for (size_t line = 1; line <= a.size(); ++line) {
    size_t diagonal = row[0];
    row[0] = line;
    for (size_t column = 1; column <= b.size(); ++column) {
      const size_t replaced = diagonal + (a[line - 1] == b[column - 1] ? 0 : 1);
      diagonal = row[column];
      row[column] = std::min({row[column] + 1, row[column - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

std::variant<Arguments, ToolError> check_arguments(const OrderedJson& schema, const Json& arguments) {
  Arguments checked{arguments, {}};
  Coercer(checked.coercions).coerce_members(schema, checked.values, "");
  if (const auto violation = server::find_violation(schema, checked.values)) return explain(*violation);
  return checked;
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  if (word.empty() || word.size() > kWordSizeMax) return {};
  const std::string folded = lower(word);
  std::string best;
  size_t best_distance = SIZE_MAX;
  for (const std::string& candidate : candidates) {
    const std::string other = lower(candidate.substr(0, kWordSizeMax));
    const size_t distance = edit_distance(folded, other);
    const size_t near = std::max<size_t>(1, std::max(folded.size(), other.size()) / 3);
    // "actor_type" is far from "actor" in letters and near in mind.
    const bool extends = other.size() >= 4 && (folded.starts_with(other) || other.starts_with(folded));
    if ((distance <= near || extends) && distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace khipu::mcp::tools
