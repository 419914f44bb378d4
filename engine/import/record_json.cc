#include "engine/import/record_json.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "engine/ingest/json_scan.h"
#include "engine/ingest/validate.h"

namespace khipu::import {
namespace {

bool more_than(std::string_view text, char c, size_t count) {
  for (size_t at = text.find(c); at != std::string_view::npos; at = text.find(c, at + 1)) {
    if (count-- == 0) return true;
  }
  return false;
}

// simdjson refuses whatever check_json does, but for two things, which cannot be in most texts: an escaped surrogate
// without its half, and nesting over the bound.
bool same_verdict(std::string_view text) {
  constexpr size_t kEach = ingest::kJsonDepthMax / 2;
  const bool escapes = text.find('\\') != std::string_view::npos && text.find("\\u") != std::string_view::npos;
  return !escapes && !more_than(text, '{', kEach) && !more_than(text, '[', kEach);
}

// The text with each number that fits no 64 bits and no double between quotes: simdjson refuses those, JSON does not.
// `text` is JSON.
std::string large_numbers_quoted(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t from = at;
    if (text[at] == '"') {
      for (++at; text[at] != '"'; ++at) at += text[at] == '\\' ? 1 : 0;
      out.append(text.substr(from, ++at - from));
      continue;
    }
    while (at < text.size() && (std::isdigit(static_cast<unsigned char>(text[at])) != 0 ||
                                std::string_view("+-.eE").find(text[at]) != std::string_view::npos)) {
      ++at;
    }
    const std::string_view number = text.substr(from, at - from);
    const bool is_number =
        !number.empty() && (number[0] == '-' || std::isdigit(static_cast<unsigned char>(number[0])) != 0);
    if (number.empty()) ++at;
    const bool large = is_number && !ingest::number_value(number).ok();
    out.append(large ? "\"" : "").append(text.substr(from, at - from)).append(large ? "\"" : "");
  }
  return out;
}

// Whether an object in it names a member twice: which of the two counts is anybody's guess, so it is nobody's record.
bool names_twice(Json value, std::vector<std::string_view>& names) {
  if (value.is_array()) {
    const simdjson::dom::array elements = value.get_array().value_unsafe();
    for (const Json element : elements) {
      if (names_twice(element, names)) return true;
    }
    return false;
  }
  if (!value.is_object()) return false;
  const simdjson::dom::object members = value.get_object().value_unsafe();
  const size_t from = names.size();
  uint64_t seen = 0;
  bool alike = false;
  for (const auto member : members) {
    // Names of one object rarely share length and both ends.
    const std::string_view name = member.key;
    const auto end = [&](size_t at) { return static_cast<uint64_t>(static_cast<uint8_t>(name[at])); };
    const uint64_t mixed =
        name.empty() ? 0 : name.size() * 131 + end(0) * 31 + end(name.size() / 2) * 7 + end(name.size() - 1);
    const uint64_t bit = uint64_t{1} << (mixed * 0x9E3779B97F4A7C15 >> 58);
    alike |= (seen & bit) != 0;
    seen |= bit;
    names.push_back(name);
  }
  if (alike) {
    std::sort(names.begin() + static_cast<ptrdiff_t>(from), names.end());
    if (std::adjacent_find(names.begin() + static_cast<ptrdiff_t>(from), names.end()) != names.end()) return true;
  }
  names.resize(from);
  for (const auto member : members) {
    if (names_twice(member.value, names)) return true;
  }
  return false;
}

}  // namespace

Result<Json> RecordParser::parse(std::string_view text) {
  KHIPU_TRY_ASSIGN(const Json root, parse_any(text));
  names_.clear();
  if (names_twice(root, names_)) return Error{Code::kInvalid, "an object names a member twice"};
  return root;
}

Result<Json> RecordParser::parse_any(std::string_view text) {
  Json root;
  if (text.data() == nullptr) text = "";  // it is copied, and a copy of nothing must come from somewhere, too
  if (same_verdict(text) && parser_.parse(text.data(), text.size()).get(root) == simdjson::SUCCESS &&
      root.is_object()) {
    return root;
  }
  KHIPU_TRY(ingest::check_json(text));  // says what is wrong, and where
  auto code = parser_.parse(text.data(), text.size()).get(root);
  if (code != simdjson::SUCCESS) {
    const std::string quoted = large_numbers_quoted(text);
    code = parser_.parse(quoted.data(), quoted.size()).get(root);
  }
  if (code != simdjson::SUCCESS)
    return Error{Code::kInvalid, std::string("not JSON: ") + simdjson::error_message(code)};
  if (!root.is_object()) return Error{Code::kInvalid, "expected an object"};
  return root;
}

std::optional<Json> find(Json from, std::initializer_list<std::string_view> path) {
  for (const std::string_view name : path) {
    simdjson::dom::object object;
    if (from.get(object) != simdjson::SUCCESS || object.at_key(name).get(from) != simdjson::SUCCESS)
      return std::nullopt;
  }
  if (from.is_null()) return std::nullopt;
  return from;
}

std::string_view text(Json from, std::initializer_list<std::string_view> path) {
  const auto found = find(from, path);
  std::string_view value;
  if (!found || found->get(value) != simdjson::SUCCESS) return {};
  return value;
}

std::string scalar(Json from, std::initializer_list<std::string_view> path) {
  const auto found = find(from, path);
  if (!found || found->is_object() || found->is_array()) return {};
  std::string_view value;
  if (found->get(value) == simdjson::SUCCESS) return std::string(value);
  return simdjson::minify(*found);
}

void EventBuilder::field(std::string_view name, std::string_view value) {
  if (value.empty()) return;
  fields_.push_back({name, false, codec::Value::of_text(keep(value))});
}
void EventBuilder::json_field(std::string_view name, std::string_view json) {
  if (json.empty()) return;
  fields_.push_back({name, false, codec::Value::of_json(keep(json))});
}
void EventBuilder::value_field(std::string_view name, const codec::Value& value) {
  fields_.push_back({name, false, value});
}

ingest::EntityInput EventBuilder::entity(std::string_view type, std::string_view id) {
  ingest::EntityInput made;
  made.type = type;
  made.id = keep(id);
  made.fields = batch_.keep(std::span<const ingest::FieldInput>(fields_));
  fields_.clear();
  return made;
}

void EventBuilder::target(const ingest::EntityInput& entity) {
  const bool there = std::any_of(targets_.begin(), targets_.end(),
                                 [&](const auto& other) { return other.type == entity.type && other.id == entity.id; });
  if (!there) targets_.push_back(entity);
}

void EventBuilder::column(std::string_view name, std::string_view value) {
  if (!value.empty()) columns_.push_back({name, codec::Value::of_text(keep(value))});
}
void EventBuilder::column(std::string_view name, const codec::Value& value) { columns_.push_back({name, value}); }

void EventBuilder::origin(std::string_view address) {
  if (ingest::is_ip_address(address)) {
    event.source_ip = keep(address);
  } else {
    column("source_host", address);
  }
}

void EventBuilder::finish(codec::ContentKind kind, const Record& record) {
  event.targets = batch_.keep(std::span<const ingest::EntityInput>(targets_));
  event.custom = batch_.keep(std::span<const ingest::ColumnInput>(columns_));
  event.content = record.adopted ? record.raw : batch_.keep(record.raw);
  event.content_kind = record.raw.empty() ? codec::ContentKind::kNone : kind;
  batch_.events.push_back(event);
}

codec::TypeSchema text_type(std::string_view name, std::initializer_list<std::string_view> fields) {
  codec::TypeSchema type;
  type.name = name;
  for (const std::string_view field : fields) type.fields.emplace_back().name = field;
  return type;
}

codec::ColumnSchema text_column(std::string_view name, bool indexed) {
  codec::ColumnSchema column;
  column.name = name;
  column.indexed = indexed;
  return column;
}

}  // namespace khipu::import
