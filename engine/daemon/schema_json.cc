#include "engine/daemon/schema_json.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "engine/base/parse_json.h"
#include "engine/base/time.h"
#include "engine/ingest/near_name.h"

namespace khipu::daemon {
namespace {

using Json = nlohmann::ordered_json;

// Reads the members of one object; the first fault wins, and a member nobody asked for is a fault.
class Members {
 public:
  Members(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) fail("", "an object is wanted");
  }
  bool has(const char* name) {
    if (std::find(asked_.begin(), asked_.end(), name) == asked_.end()) asked_.emplace_back(name);
    return !error_ && object_.contains(name);
  }
  void text(const char* name, std::string& into, bool required = false) {
    if (!has(name)) return required && !error_ ? fail(name, "is missing") : void();
    if (!object_[name].is_string()) return fail(name, "must be a string");
    into = object_[name].get<std::string>();
  }
  void boolean(const char* name, bool& into) {
    if (!has(name)) return;
    if (!object_[name].is_boolean()) return fail(name, "must be true or false");
    into = object_[name].get<bool>();
  }
  template <typename T>
  void word(const char* name, T& into, std::optional<T> (*parse)(std::string_view), const char* words) {
    std::string text;
    this->text(name, text);
    if (error_ || !object_.contains(name)) return;
    const std::optional<T> value = parse(text);
    if (!value) return fail(name, std::string("must be one of ") + words);
    into = *value;
  }
  void fail(const std::string& member, const std::string& what) {
    if (error_) return;
    error_ = Error{Code::kInvalid, where_ + (member.empty() || where_.empty() ? "" : ".") + member + ": " + what};
  }
  // Call last: says what is wrong, if anything.
  Result<void> done() {
    if (!error_) {
      for (const auto& [name, value] : object_.items()) {
        if (std::find(asked_.begin(), asked_.end(), name) != asked_.end()) continue;
        std::string known;
        for (const std::string& one : asked_) known += (known.empty() ? "" : ", ") + one;
        fail(name, "is no member here; known are " + known);
      }
    }
    if (error_) return *error_;
    return {};
  }
  const Json& operator[](const char* name) const { return object_[name]; }

 private:
  const Json& object_;
  std::string where_;
  std::vector<std::string> asked_;
  std::optional<Error> error_;
};

void parse_rule(Members& members, const Json& json, codec::Rule& rule) {
  members.word<codec::Protection>("protection", rule.protection, codec::protection, "none, digest, sealed");
  if (members.has("indexes")) {
    if (!json["indexes"].is_array()) return members.fail("indexes", "must be an array");
    for (const Json& one : json["indexes"]) {
      const auto index = one.is_string() ? codec::index_rule(one.get<std::string>()) : std::nullopt;
      if (!index) return members.fail("indexes", "holds exact, prefix(N) and ngram(N) only");
      rule.indexes.push_back(*index);
    }
  }
  members.boolean("low_entropy", rule.low_entropy);
  members.boolean("accept_leak", rule.accept_leak);
  members.boolean("subject", rule.subject);
}

void add_rule(Json& to, const codec::Rule& rule) {
  to["protection"] = codec::name(rule.protection);
  if (rule.none()) return;
  Json indexes = Json::array();
  for (const codec::IndexRule& index : rule.indexes) indexes.push_back(text_of(index));
  to["indexes"] = std::move(indexes);
  if (rule.low_entropy) to["low_entropy"] = true;
  if (rule.accept_leak) to["accept_leak"] = true;
  if (rule.subject) to["subject"] = true;
}

// `there`: what a field of the type that is known leaves out is as it is there.
Result<codec::FieldSchema> parse_field(const Json& json, const std::string& where, const std::string& type,
                                       const registry::Schema* there) {
  codec::FieldSchema field;
  Members members(json, where);
  members.text("name", field.name, true);
  members.word<codec::ValueKind>("kind", field.kind, codec::value_kind, "text, number, json");
  if (const codec::FieldSchema* const known = there == nullptr ? nullptr : there->field(type, field.name)) {
    constexpr const char* kRule[] = {"protection", "indexes", "low_entropy", "accept_leak", "subject"};
    const bool rule =
        std::any_of(std::begin(kRule), std::end(kRule), [&](const char* one) { return members.has(one); });
    if (!rule) field.rule = known->rule;
    if (rule && !members.has("protection")) {
      members.fail("protection", "is missing: a rule is said as a whole, or not at all");
    }
    field.required = known->required;
  }
  parse_rule(members, json, field.rule);
  members.boolean("required", field.required);
  KHIPU_TRY(members.done());
  return field;
}

Result<codec::TypeSchema> parse_type(const Json& json, const std::string& where, const registry::Schema* there) {
  codec::TypeSchema type;
  Members members(json, where);
  members.text("name", type.name, true);
  if (members.has("fields")) {
    if (!json["fields"].is_array()) {
      members.fail("fields", "must be an array");
    } else {
      for (size_t i = 0; i < json["fields"].size(); ++i) {
        const std::string at = where + (where.empty() ? "" : ".") + "fields[" + std::to_string(i) + "]";
        KHIPU_TRY_ASSIGN(codec::FieldSchema field, parse_field(json["fields"][i], at, type.name, there));
        type.fields.push_back(std::move(field));
      }
    }
  }
  KHIPU_TRY(members.done());
  return type;
}

Result<codec::ColumnSchema> parse_column(const Json& json, const std::string& where, TimeUs now) {
  codec::ColumnSchema column;
  Members members(json, where);
  members.text("name", column.name, true);
  members.word<codec::ValueKind>("kind", column.kind, codec::value_kind, "text, number, json");
  members.boolean("indexed", column.indexed);
  members.boolean("required", column.required);
  parse_rule(members, json, column.rule);
  std::string since;
  members.text("required_since", since);
  if (since.empty()) {
    if (column.required && !members.has("required_since")) column.required_since_us = now;
  } else {
    const Result<TimeUs> time = parse_rfc3339(since);
    if (!time.ok()) {
      members.fail("required_since", time.error().message);
    } else {
      column.required_since_us = *time;
    }
  }
  KHIPU_TRY(members.done());
  return column;
}

template <typename T, typename ParseOne>
Result<std::vector<T>> parse_all(std::string_view text, ParseOne parse_one) {
  const auto [json, repeated] = parse_json<Json>(text);
  if (json.is_discarded()) return Error{Code::kInvalid, "the body is not JSON"};
  if (repeated) return Error{Code::kInvalid, ingest::quoted(*repeated) + " is there twice in one object"};
  std::vector<T> all;
  if (!json.is_array()) {
    KHIPU_TRY_ASSIGN(T one, parse_one(json, ""));
    all.push_back(std::move(one));
    return all;
  }
  for (size_t i = 0; i < json.size(); ++i) {
    KHIPU_TRY_ASSIGN(T one, parse_one(json[i], "[" + std::to_string(i) + "]"));
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace

Result<std::vector<codec::TypeSchema>> parse_types(std::string_view json, const registry::Schema* there) {
  KHIPU_TRY_ASSIGN(std::vector<codec::TypeSchema> types,
                   parse_all<codec::TypeSchema>(json, [there](const Json& one, const std::string& where) {
                     return parse_type(one, where, there);
                   }));
  for (size_t i = 0; there != nullptr && i < types.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (types[i].name != types[j].name) continue;
      return Error{Code::kInvalid, "[" + std::to_string(i) + "]: type " + ingest::quoted(types[i].name) + " is [" +
                                       std::to_string(j) + "] already: give each type once, with all its fields"};
    }
  }
  return types;
}

Result<std::vector<codec::ColumnSchema>> parse_columns(std::string_view json, TimeUs now) {
  return parse_all<codec::ColumnSchema>(
      json, [now](const Json& one, const std::string& where) { return parse_column(one, where, now); });
}

Json type_json(const codec::TypeSchema& type) {
  Json fields = Json::array();
  for (const codec::FieldSchema& field : type.fields) {
    Json one = {{"name", field.name}, {"kind", codec::name(field.kind)}};
    add_rule(one, field.rule);
    one["required"] = field.required;
    fields.push_back(std::move(one));
  }
  return {{"name", type.name}, {"fields", std::move(fields)}};
}

Json column_json(const codec::ColumnSchema& column) {
  Json json = {{"name", column.name},
               {"kind", codec::name(column.kind)},
               {"indexed", column.indexed},
               {"required", column.required}};
  if (column.required) json["required_since"] = format_rfc3339(column.required_since_us);
  if (!column.rule.none()) add_rule(json, column.rule);
  return json;
}

}  // namespace khipu::daemon
