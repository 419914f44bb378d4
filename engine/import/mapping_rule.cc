#include "engine/import/mapping_rule.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "engine/ingest/json_scan.h"
#include "engine/ingest/near_name.h"

namespace khipu::import {
namespace {

// A scalar as text; objects and arrays only when json is wanted, then in JSON.
std::optional<std::string_view> as_text_value(Json value, bool json, MadeTexts& made) {
  std::array<char, 24> digits{};
  const auto number = [&](auto n) {
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), n).ptr;
    return made.keep(std::string(digits.data(), end));
  };
  switch (value.type()) {
    case simdjson::dom::element_type::NULL_VALUE: return std::nullopt;
    case simdjson::dom::element_type::OBJECT:
    case simdjson::dom::element_type::ARRAY:
      if (!json) return std::nullopt;
      break;
    case simdjson::dom::element_type::STRING:
      if (!json) return value.get_string().value_unsafe();
      break;
    case simdjson::dom::element_type::BOOL: return value.get_bool().value_unsafe() ? "true" : "false";
    case simdjson::dom::element_type::INT64: return number(value.get_int64().value_unsafe());
    case simdjson::dom::element_type::UINT64: return number(value.get_uint64().value_unsafe());
    case simdjson::dom::element_type::DOUBLE: break;
  }
  return made.keep(simdjson::minify(value));
}

// The names that the pointer is made of; none when one is empty or has an escape.
std::vector<std::string> names_of(std::string_view pointer) {
  std::vector<std::string> names;
  if (pointer.find('~') != std::string_view::npos) return names;
  for (size_t at = 0; at < pointer.size();) {
    const size_t end = std::min(pointer.find('/', at + 1), pointer.size());
    names.emplace_back(pointer.substr(at + 1, end - at - 1));
    if (names.back().empty()) return {};
    at = end;
  }
  return names;
}

// As at_pointer(), which looks for slashes and escapes each time, and takes a name for a number inside an array.
std::optional<Json> at_names(Json value, const std::vector<std::string>& names, std::string_view pointer) {
  const Json root = value;
  for (const std::string& name : names) {
    if (!value.is_object()) {
      if (root.at_pointer(pointer).get(value) != simdjson::SUCCESS) return std::nullopt;
      return value;
    }
    if (value.get_object().value_unsafe().at_key(name).get(value) != simdjson::SUCCESS) return std::nullopt;
  }
  return value;
}

std::optional<std::string_view> point(const Lookup& from, std::string_view pointer,
                                      const std::vector<std::string>& names, bool json) {
  if (from.groups != nullptr) {
    const auto group = from.groups->find(pointer.substr(1));
    if (group == from.groups->end()) return std::nullopt;
    return group->second;
  }
  if (!from.json) return std::nullopt;
  if (!names.empty()) {
    const std::optional<Json> found = at_names(*from.json, names, pointer);
    return found ? as_text_value(*found, json, from.made) : std::nullopt;
  }
  Json value;
  if (from.json->at_pointer(pointer).get(value) != simdjson::SUCCESS) return std::nullopt;
  return as_text_value(value, json, from.made);
}

}  // namespace

Error mapping_error(const std::string& where, std::string what) {
  return {Code::kInvalid, "mapping file: " + (where.empty() ? "" : where + ": ") + std::move(what)};
}

Result<void> known_members(Json object, const std::string& where, std::span<const std::string_view> names) {
  simdjson::dom::object members;
  if (object.get(members) != simdjson::SUCCESS) return mapping_error(where, "expected an object");
  std::vector<std::string_view> seen;
  for (const auto member : members) {
    if (std::find(names.begin(), names.end(), member.key) == names.end()) {
      return mapping_error(where,
                           "unknown member " + ingest::quoted(member.key) + ingest::did_you_mean(member.key, names));
    }
    if (std::find(seen.begin(), seen.end(), member.key) != seen.end()) {
      return mapping_error(where, "member " + ingest::quoted(member.key) + " is there twice");
    }
    seen.push_back(member.key);
  }
  return {};
}

Result<std::string> mapping_text(Json value, const std::string& where) {
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return mapping_error(where, "expected a string");
  return std::string(text);
}

Result<void> check_pointer(std::string_view pointer, const std::string& where) {
  if (!pointer.starts_with('/')) {
    return mapping_error(where, ingest::quoted(pointer) + " is no JSON Pointer: it begins with /");
  }
  for (size_t at = pointer.find('~'); at != std::string_view::npos; at = pointer.find('~', at + 1)) {
    const char next = at + 1 < pointer.size() ? pointer[at + 1] : '\0';
    if (next == '0' || next == '1') continue;
    return mapping_error(where, ingest::quoted(pointer) + " is no JSON Pointer: ~ is written ~0, and / in a name ~1");
  }
  return {};
}

Result<std::shared_ptr<const RE2>> compile_regex(const std::string& pattern, const std::string& where) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(8 << 20);
  auto regex = std::make_shared<const RE2>(pattern, options);
  if (!regex->ok()) return mapping_error(where, "not an RE2 expression: " + regex->error());
  if (regex->NamedCapturingGroups().empty()) return mapping_error(where, "it needs a named group: (?P<name>...)");
  return regex;
}

Result<Rule> Rule::parse(Json json, const std::string& where, std::initializer_list<std::string_view> allowed) {
  constexpr std::string_view kSources[] = {"pointer", "constant", "concat", "first"};
  std::vector<std::string_view> names = {"pointer", "constant", "concat", "first",
                                         "regex",   "group",    "table",  "default"};
  names.insert(names.end(), allowed.begin(), allowed.end());
  KHIPU_TRY(known_members(json, where, names));
  Rule rule;
  int sources = 0;
  for (size_t i = 0; i < std::size(kSources); ++i) {
    const auto value = find(json, {kSources[i]});
    if (!value) continue;
    ++sources;
    rule.source_ = static_cast<Source>(i);
    const std::string place = where + "." + std::string(kSources[i]);
    simdjson::dom::array parts;
    if (i < 2) {
      KHIPU_TRY_ASSIGN(rule.text_, mapping_text(*value, place));
    } else if (value->get(parts) != simdjson::SUCCESS) {
      return mapping_error(place, "expected an array of rules");
    } else {
      for (const Json part : parts) {
        const std::string inner = place + "[" + std::to_string(rule.parts_.size()) + "]";
        if (inner.size() > 1000) return mapping_error(place, "rules are nested too deep");
        KHIPU_TRY_ASSIGN(Rule parsed, parse(part, inner));
        rule.parts_.push_back(std::move(parsed));
      }
    }
  }
  if (sources != 1) return mapping_error(where, "a rule has exactly one of pointer, constant, concat, first");
  if (rule.source_ == Source::kPointer) KHIPU_TRY(check_pointer(rule.text_, where));
  if (rule.source_ == Source::kPointer) rule.keys_ = names_of(rule.text_);
  if (const auto regex = find(json, {"regex"})) {
    KHIPU_TRY_ASSIGN(const std::string pattern, mapping_text(*regex, where + ".regex"));
    KHIPU_TRY_ASSIGN(rule.regex_, compile_regex(pattern, where + ".regex"));
    const auto& groups = rule.regex_->NamedCapturingGroups();
    rule.group_ = groups.begin()->second;
    if (const auto group = find(json, {"group"})) {
      KHIPU_TRY_ASSIGN(const std::string name, mapping_text(*group, where + ".group"));
      if (!groups.contains(name)) return mapping_error(where, "the regex has no group " + ingest::quoted(name));
      rule.group_ = groups.at(name);
    } else if (groups.size() > 1) {
      return mapping_error(where, "the regex has several named groups: pick one with \"group\"");
    }
  } else if (find(json, {"group"})) {
    return mapping_error(where, "\"group\" without \"regex\"");
  }
  simdjson::dom::object table;
  if (const auto value = find(json, {"table"})) {
    if (value->get(table) != simdjson::SUCCESS) return mapping_error(where + ".table", "expected an object of strings");
    rule.table_.emplace();
    for (const auto entry : table) {
      KHIPU_TRY_ASSIGN(const std::string to, mapping_text(entry.value, where + ".table"));
      rule.table_->emplace(entry.key, to);
    }
  }
  if (const auto value = find(json, {"default"})) {
    KHIPU_TRY_ASSIGN(rule.default_, mapping_text(*value, where + ".default"));
  }
  return rule;
}

std::optional<std::string_view> Rule::raw(const Lookup& from, bool json) const {
  switch (source_) {
    case Source::kPointer: return point(from, text_, keys_, json);
    case Source::kConstant: return text_;
    case Source::kConcat: {
      std::string all;
      for (const Rule& part : parts_) {
        const auto value = part.text(from);
        if (!value) return std::nullopt;
        all += *value;
      }
      return from.made.keep(std::move(all));
    }
    case Source::kFirst:
      for (const Rule& part : parts_) {
        if (const auto value = part.text(from); value && !value->empty()) return value;
      }
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<std::string_view> Rule::text(const Lookup& from) const {
  std::optional<std::string_view> value = raw(from, false);
  if (value && regex_ != nullptr) {
    std::vector<re2::StringPiece> groups(static_cast<size_t>(group_) + 1);
    const bool matched = regex_->Match(re2::StringPiece(value->data(), value->size()), 0, value->size(),
                                       RE2::UNANCHORED, groups.data(), static_cast<int>(groups.size()));
    const re2::StringPiece group = matched ? groups.back() : re2::StringPiece();
    value = group.data() == nullptr ? std::nullopt : std::optional(std::string_view(group.data(), group.size()));
  }
  if (value && table_) {
    const auto entry = table_->find(*value);
    value = entry == table_->end() ? std::nullopt : std::optional(std::string_view(entry->second));
  }
  return value || !default_ ? value : std::optional(std::string_view(*default_));
}

std::optional<std::string> Rule::stray(const std::function<bool(std::string_view)>& known) const {
  const auto check = [&](const std::string& text) -> std::optional<std::string> {
    return text.empty() || known(text) ? std::nullopt : std::optional(text);
  };
  if (default_ && check(*default_)) return default_;
  if (table_) {
    for (const auto& [from, to] : *table_) {
      if (check(to)) return to;
    }
    return std::nullopt;
  }
  if (regex_ != nullptr) return std::nullopt;
  if (source_ == Source::kConstant) return check(text_);
  if (source_ != Source::kFirst) return std::nullopt;
  for (const Rule& part : parts_) {
    if (const auto found = part.stray(known)) return found;
  }
  return std::nullopt;
}

Result<std::optional<std::string_view>> Rule::of_kind(const Lookup& from, codec::ValueKind kind) const {
  if (kind != codec::ValueKind::kJson || source_ != Source::kPointer || from.groups != nullptr) return text(from);
  return raw(from, true);
}

}  // namespace khipu::import
