#include "engine/registry/schema.h"

#include <algorithm>
#include <array>

namespace khipu::registry {
namespace {

constexpr size_t kFieldsMax = 256;
constexpr uint32_t kPrefixMax = 64;
constexpr uint32_t kNgramMin = 2, kNgramMax = 8;
// Members of the canonical event: a column of the same name could not be told from it in a filter.
constexpr std::array<std::string_view, 17> kBuiltIn = {
    "occurred_at", "recorded_at", "actor",    "action",  "method",       "action_class", "outcome", "targets", "url",
    "source",      "source_ip",   "event_id", "session", "on_behalf_of", "content",      "custom",  "seq"};

Error invalid(std::string message) { return {Code::kInvalid, std::move(message)}; }
Error conflict(std::string message) { return {Code::kConflict, std::move(message)}; }

// Messages reach terminals: a refused name never as it is.
std::string quoted(std::string_view text) {
  std::string out = "'" + std::string(text.substr(0, 80)) + "'";
  for (char& c : out) c = static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7F ? '?' : c;
  return out;
}

Error bad_name(std::string_view what, std::string_view name) {
  if (name.starts_with("khipu_")) return invalid(std::string(what) + " " + quoted(name) + ": khipu_ is reserved");
  return invalid(std::string(what) + " " + quoted(name) +
                 ": a name is a-z, then up to 62 of a-z, 0-9 and _, such as cost_centre");
}

Result<void> check_field(const codec::FieldSchema& field) {
  using codec::BlindIndex;
  if (!valid_name(field.name)) return bad_name("field", field.name);
  const std::string where = "field " + quoted(field.name) + ": ";
  const bool sized = field.index == BlindIndex::kPrefix || field.index == BlindIndex::kNgram;
  if (!sized && field.index_size != 0) return invalid(where + "only prefix and ngram indexes have a size");
  if (sized && field.kind != codec::ValueKind::kText) {
    return invalid(where + std::string(name(field.index)) + " indexes work on text, this field is a " +
                   std::string(name(field.kind)));
  }
  if (field.index != BlindIndex::kNone && field.kind == codec::ValueKind::kJson) {
    return invalid(where + "a json field cannot be indexed");
  }
  if (field.index == BlindIndex::kPrefix && (field.index_size < 1 || field.index_size > kPrefixMax)) {
    return invalid(where + "prefix(n) needs an n from 1 to " + std::to_string(kPrefixMax));
  }
  if (field.index == BlindIndex::kNgram && (field.index_size < kNgramMin || field.index_size > kNgramMax)) {
    return invalid(where + "ngram(n) needs an n from " + std::to_string(kNgramMin) + " to " +
                   std::to_string(kNgramMax));
  }
  return {};
}

// What a change of an existing field would break; the guard covers kind, protection, index and required.
std::string_view changed(const codec::FieldSchema& was, const codec::FieldSchema& is) {
  if (was.kind != is.kind) return "kind";
  if (was.protection != is.protection) return "protection";
  if (was.index != is.index || was.index_size != is.index_size) return "index";
  if (was.required != is.required) return "required";
  return {};
}

const codec::FieldSchema* find(const std::vector<codec::FieldSchema>& fields, std::string_view name) {
  const auto at = std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field.name == name; });
  return at == fields.end() ? nullptr : &*at;
}

}  // namespace

const codec::TypeSchema* Schema::type(std::string_view name) const {
  const auto at = type_index_.find(name);
  return at == type_index_.end() ? nullptr : &types_[at->second];
}

const codec::FieldSchema* Schema::field(std::string_view type_name, std::string_view name) const {
  const codec::TypeSchema* found = type(type_name);
  return found == nullptr ? nullptr : find(found->fields, name);
}

const codec::ColumnSchema* Schema::column(std::string_view name) const {
  const auto at = column_index_.find(name);
  return at == column_index_.end() ? nullptr : &columns_[at->second];
}

const codec::ColumnSchema* Schema::column(uint32_t id) const {
  const auto at = std::lower_bound(columns_.begin(), columns_.end(), id,
                                   [](const auto& column, uint32_t wanted) { return column.id < wanted; });
  return at == columns_.end() || at->id != id ? nullptr : &*at;
}

void Schema::apply(const codec::TypeSchema& type) {
  const auto [at, added] = type_index_.try_emplace(type.name, types_.size());
  if (added) {
    types_.push_back(type);
    return;
  }
  // Fields keep the order in which they were added, whatever order the new definition lists them in.
  codec::TypeSchema& mine = types_[at->second];
  for (const codec::FieldSchema& field : type.fields) {
    const auto same = std::find_if(mine.fields.begin(), mine.fields.end(),
                                   [&](const auto& known) { return known.name == field.name; });
    if (same == mine.fields.end()) {
      mine.fields.push_back(field);
    } else {
      *same = field;
    }
  }
}

void Schema::apply(const codec::ColumnSchema& column) {
  const auto known = column_index_.find(column.name);
  if (known != column_index_.end()) {
    const uint32_t id = columns_[known->second].id;
    columns_[known->second] = column;
    columns_[known->second].id = id;
    return;
  }
  const auto at = std::upper_bound(columns_.begin(), columns_.end(), column.id,
                                   [](uint32_t id, const auto& other) { return id < other.id; });
  columns_.insert(at, column);
  column_index_.clear();
  for (size_t i = 0; i < columns_.size(); ++i) column_index_.emplace(columns_[i].name, i);
}

bool valid_name(std::string_view name) {
  if (name.empty() || name.size() > 63 || name.starts_with("khipu_")) return false;
  if (name.front() < 'a' || name.front() > 'z') return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

Result<void> check_type(const Schema& schema, const codec::TypeSchema& type) {
  if (!valid_name(type.name)) return bad_name("type", type.name);
  const std::string where = "type " + quoted(type.name);
  if (type.fields.size() > kFieldsMax) return invalid(where + ": at most " + std::to_string(kFieldsMax) + " fields");
  for (size_t i = 0; i < type.fields.size(); ++i) {
    KHIPU_TRY(at(where, check_field(type.fields[i])));
    for (size_t j = 0; j < i; ++j) {
      if (type.fields[i].name == type.fields[j].name) {
        return invalid(where + ": field " + quoted(type.fields[i].name) + " is defined twice");
      }
    }
  }
  const codec::TypeSchema* known = schema.type(type.name);
  if (known == nullptr) return {};
  for (const codec::FieldSchema& field : known->fields) {
    const codec::FieldSchema* now = find(type.fields, field.name);
    if (now == nullptr) {
      return conflict(where + ": field " + quoted(field.name) +
                      " is missing: fields can be added, never removed (old events still carry it)");
    }
    if (const std::string_view what = changed(field, *now); !what.empty()) {
      return conflict(where + ": field " + quoted(field.name) + ": its " + std::string(what) +
                      " may not change once defined; add a field under another name");
    }
  }
  for (const codec::FieldSchema& field : type.fields) {
    if (field.required && find(known->fields, field.name) == nullptr) {
      return conflict(where + ": field " + quoted(field.name) +
                      " is new and cannot be required: entities that exist do not have it");
    }
  }
  return {};
}

Result<void> check_column(const Schema& schema, const codec::ColumnSchema& column) {
  if (!valid_name(column.name)) return bad_name("column", column.name);
  const std::string where = "column " + quoted(column.name);
  if (std::find(kBuiltIn.begin(), kBuiltIn.end(), column.name) != kBuiltIn.end()) {
    return invalid(where + ": reserved, it is a member of every event");
  }
  if (column.indexed && column.kind == codec::ValueKind::kJson) {
    return invalid(where + ": a json column cannot be indexed");
  }
  if (!column.required && column.required_since_us != 0) {
    return invalid(where + ": a moment from which it is required, but it is not required");
  }
  const codec::ColumnSchema* known = schema.column(column.name);
  if (known == nullptr) {
    const codec::ColumnSchema* taken = column.id == 0 ? nullptr : schema.column(column.id);
    if (taken != nullptr) return conflict(where + ": its number belongs to column " + quoted(taken->name));
    return {};
  }
  if (column.id != 0 && column.id != known->id) return conflict(where + ": its number may not change");
  if (column.kind != known->kind) return conflict(where + ": its kind may not change once defined");
  if (column.indexed != known->indexed) return conflict(where + ": indexed may not change once defined");
  if (known->required && !column.required) return conflict(where + ": required may be switched on, never off");
  if (known->required && column.required_since_us != known->required_since_us) {
    return conflict(where + ": the moment from which it is required may not be moved");
  }
  return {};
}

std::vector<codec::TypeSchema> default_types() {
  const auto text = [](const char* name) {
    codec::FieldSchema field;
    field.name = name;
    return field;
  };
  return {{"user", {text("name"), text("email"), text("role")}},
          {"service", {text("name"), text("version")}},
          {"resource", {text("name"), text("kind"), text("owner")}}};
}

}  // namespace khipu::registry
