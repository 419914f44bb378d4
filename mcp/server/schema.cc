#include "mcp/server/schema.h"

#include <algorithm>

namespace khipu::mcp::server {
namespace {

using Kind = Violation::Kind;

std::string join(const std::string& path, const std::string& member) {
  return path.empty() ? member : path + "." + member;
}

// A scalar as text; structures have no short form.
template <typename J>
std::string words_of(const J& value) {
  if (value.is_string()) return value.template get<std::string>();
  return value.is_structured() ? std::string() : value.dump();
}

const OrderedJson* find(const OrderedJson& schema, const char* keyword) {
  const auto found = schema.find(keyword);
  return found == schema.end() ? nullptr : &*found;
}

// A limit that is broken, as words: "at most 200 characters".
std::optional<std::string> broken_limit(const OrderedJson& schema, const char* least, const char* most, double amount,
                                        const char* unit) {
  if (const auto* limit = find(schema, least); limit != nullptr && amount < limit->get<double>()) {
    return "at least " + limit->dump() + unit;
  }
  if (const auto* limit = find(schema, most); limit != nullptr && amount > limit->get<double>()) {
    return "at most " + limit->dump() + unit;
  }
  return std::nullopt;
}

template <typename J>
class Checker {
 public:
  std::optional<Violation> check(const OrderedJson& schema, const J& value, const std::string& path) {
    if (const auto* type = find(schema, "type"); type != nullptr && !has_type(value, type->get<std::string>())) {
      return Violation{Kind::kType, path, words_of(value), type->get<std::string>(), {}};
    }
    if (auto violation = check_choice(schema, value, path)) return violation;
    if (value.is_object()) return check_object(schema, value, path);
    if (value.is_array()) return check_array(schema, value, path);
    if (value.is_string()) {
      const auto size = static_cast<double>(count_code_points(value.template get_ref<const std::string&>()));
      return limit(broken_limit(schema, "minLength", "maxLength", size, " characters"), Kind::kLength, path, value);
    }
    if (value.is_number()) {
      return limit(broken_limit(schema, "minimum", "maximum", value.template get<double>(), ""), Kind::kRange, path,
                   value);
    }
    return std::nullopt;
  }

 private:
  static std::optional<Violation> limit(std::optional<std::string> broken, Kind kind, const std::string& path,
                                        const J& value) {
    if (!broken) return std::nullopt;
    return Violation{kind, path, words_of(value), *std::move(broken), {}};
  }

  std::optional<Violation> check_choice(const OrderedJson& schema, const J& value, const std::string& path) {
    const auto is_value = [&](const OrderedJson& choice) { return J(choice) == value; };
    const auto* constant = find(schema, "const");
    if (constant != nullptr && !is_value(*constant)) {
      return Violation{Kind::kEnum, path, words_of(value), "one of the allowed values", {words_of(*constant)}};
    }
    const auto* choices = find(schema, "enum");
    if (choices == nullptr || std::any_of(choices->begin(), choices->end(), is_value)) return std::nullopt;
    Violation violation{Kind::kEnum, path, words_of(value), "one of the allowed values", {}};
    for (const OrderedJson& choice : *choices) violation.allowed.push_back(words_of(choice));
    return violation;
  }

  std::optional<Violation> check_object(const OrderedJson& schema, const J& value, const std::string& path) {
    static const OrderedJson kNone = OrderedJson::object();
    const auto* given = find(schema, "properties");
    const OrderedJson& properties = given == nullptr ? kNone : *given;
    // Unknown names first: "Unknown argument user" teaches more than "actor is missing".
    const auto* additional = find(schema, "additionalProperties");
    for (const auto& [name, member] : value.items()) {
      if (properties.contains(name) || additional == nullptr || *additional == true) continue;
      if (additional->is_object()) {
        if (auto violation = check(*additional, member, join(path, "*"))) return violation;
        continue;
      }
      Violation violation{Kind::kUnknownMember, path, name, "a known name", {}};
      for (const auto& [known, ignored] : properties.items()) violation.allowed.push_back(known);
      return violation;
    }
    if (const auto* required = find(schema, "required")) {
      for (const OrderedJson& name : *required) {
        const auto wanted = name.get<std::string>();
        if (value.contains(wanted)) continue;
        Violation violation{Kind::kMissingMember, join(path, wanted), "", "a value", {}};
        const auto property = properties.find(wanted);
        if (const auto* choices = property == properties.end() ? nullptr : find(*property, "enum")) {
          for (const OrderedJson& choice : *choices) violation.allowed.push_back(words_of(choice));
        }
        return violation;
      }
    }
    for (const auto& [name, property] : properties.items()) {
      const auto member = value.find(name);
      if (member == value.end()) continue;
      if (auto violation = check(property, *member, join(path, name))) return violation;
    }
    return std::nullopt;
  }

  std::optional<Violation> check_array(const OrderedJson& schema, const J& value, const std::string& path) {
    auto words = broken_limit(schema, "minItems", "maxItems", static_cast<double>(value.size()), " elements");
    if (words) return limit(std::move(words), Kind::kCount, path, value);
    const auto* items = find(schema, "items");
    if (items == nullptr) return std::nullopt;
    for (size_t index = 0; index < value.size(); ++index) {
      if (auto violation = check(*items, value[index], path + "[" + std::to_string(index) + "]")) return violation;
    }
    return std::nullopt;
  }
};

}  // namespace

template <typename J>
std::optional<Violation> find_violation(const OrderedJson& schema, const J& value) {
  return Checker<J>().check(schema, value, "");
}

template std::optional<Violation> find_violation(const OrderedJson&, const Json&);
template std::optional<Violation> find_violation(const OrderedJson&, const OrderedJson&);

size_t count_code_points(std::string_view text) {
  const auto is_start = [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; };
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), is_start));
}

}  // namespace khipu::mcp::server
