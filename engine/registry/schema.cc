#include "engine/registry/schema.h"

#include <algorithm>
#include <array>

#include "engine/registry/guard.h"

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

Result<void> check_index(const codec::IndexRule& index, codec::ValueKind kind, const std::string& where) {
  using codec::BlindIndex;
  const bool sized = index.kind == BlindIndex::kPrefix || index.kind == BlindIndex::kNgram;
  if (!sized && index.size != 0) return invalid(where + "only prefix and ngram indexes have a size");
  if (sized && kind != codec::ValueKind::kText) {
    return invalid(where + std::string(name(index.kind)) + " indexes work on text, this is a " +
                   std::string(name(kind)));
  }
  if (kind == codec::ValueKind::kJson) return invalid(where + "a json value cannot be indexed");
  if (index.kind == BlindIndex::kPrefix && (index.size < 1 || index.size > kPrefixMax)) {
    return invalid(where + "prefix(n) needs an n from 1 to " + std::to_string(kPrefixMax));
  }
  if (index.kind == BlindIndex::kNgram && (index.size < kNgramMin || index.size > kNgramMax)) {
    return invalid(where + "ngram(n) needs an n from " + std::to_string(kNgramMin) + " to " +
                   std::to_string(kNgramMax));
  }
  return {};
}

// What each index gives away is in engine/README.md "What protection leaks": whoever defines one says that they know.
Result<void> check_rule(const codec::Rule& rule, codec::ValueKind kind, const std::string& where) {
  using codec::BlindIndex;
  if (rule.none()) {
    if (!rule.indexes.empty()) return invalid(where + "blind indexes are for protected fields: give it a protection");
    if (rule != codec::Rule{}) {
      return invalid(where + "low_entropy, accept_leak and subject are for protected fields");
    }
    return {};
  }
  if (rule.indexes.size() > codec::kIndexesMax) {
    return invalid(where + "at most " + std::to_string(codec::kIndexesMax) + " blind indexes");
  }
  for (size_t i = 0; i < rule.indexes.size(); ++i) {
    const codec::IndexRule& index = rule.indexes[i];
    KHIPU_TRY(check_index(index, kind, where));
    if (rule.protection == codec::Protection::kDigest && index.kind != BlindIndex::kExact) {
      return invalid(where + "a digest answers exact searches only; " + text_of(index) + " wants protection sealed");
    }
    if (index.kind != BlindIndex::kExact && !rule.accept_leak) {
      return invalid(where + text_of(index) +
                     " tells who reads the disk which values begin or are spelled alike: say accept_leak to have it");
    }
    for (size_t j = 0; j < i; ++j) {
      if (rule.indexes[j] == index) return invalid(where + text_of(index) + " is there twice");
    }
  }
  const bool searchable = rule.protection == codec::Protection::kDigest || !rule.indexes.empty();
  if (rule.low_entropy && searchable && !rule.accept_leak) {
    return invalid(where + "it is declared low_entropy: with any index (a digest is one) its few values can be told " +
                   "apart and guessed; leave the indexes out, or say accept_leak");
  }
  if (rule.accept_leak && !searchable) return invalid(where + "accept_leak, but nothing of it leaks");
  if (rule.subject && rule.protection != codec::Protection::kSealed) {
    return invalid(where + "a key of the entity's own is for sealed fields");
  }
  return {};
}

Result<void> check_field(const codec::FieldSchema& field) {
  if (!valid_name(field.name)) return bad_name("field", field.name);
  return check_rule(field.rule, field.kind, "field " + quoted(field.name) + ": ");
}

std::string_view changed(const codec::Rule& was, const codec::Rule& is) {
  if (was.protection != is.protection) return "protection";
  if (was.indexes != is.indexes) return "indexes";
  if (was.low_entropy != is.low_entropy) return "low_entropy";
  if (was.accept_leak != is.accept_leak) return "accept_leak";
  if (was.subject != is.subject) return "subject key";
  return {};
}

// What a change of an existing field would break; the guard covers kind, required and the rule.
std::string_view changed(const codec::FieldSchema& was, const codec::FieldSchema& is) {
  if (was.kind != is.kind) return "kind";
  if (was.required != is.required) return "required";
  return changed(was.rule, is.rule);
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
  for (const codec::FieldSchema& field : type.fields) protects_ |= !field.rule.none();
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
  protects_ |= !column.rule.none();
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

namespace {

enum class Use : uint8_t { kEntities, kNone };  // are there entities of the type?

Result<void> check_event_type(const codec::TypeSchema& type) {
  const bool content = type.fields.size() == 1 && type.fields[0].name == "content" &&
                       type.fields[0].kind == codec::ValueKind::kText && !type.fields[0].required;
  codec::Rule sealed;
  sealed.protection = codec::Protection::kSealed;
  if (content && type.fields[0].rule == sealed) return {};
  return invalid(
      "@event is no type of entities: all it can say is content:sealed, without an index, and that seals "
      "content and source_ip of every event from then on");
}

Result<void> check_fields(const codec::TypeSchema& known, const codec::TypeSchema& type, Use use,
                          const std::string& where) {
  for (const codec::FieldSchema& field : known.fields) {
    const codec::FieldSchema* now = find(type.fields, field.name);
    if (now == nullptr) {
      return conflict(where + ": field " + quoted(field.name) +
                      " is missing: fields can be added, never removed (old events still carry it)");
    }
    const std::string_view what = changed(field, *now);
    if (what.empty() || (use == Use::kNone && what != "kind")) continue;
    return conflict(where + ": field " + quoted(field.name) + ": its " + std::string(what) + " may not change once " +
                    (what == "kind" ? "defined" : "an entity of that type is in the log") +
                    "; add a field under another name");
  }
  for (const codec::FieldSchema& field : type.fields) {
    if (use == Use::kEntities && field.required && find(known.fields, field.name) == nullptr) {
      return conflict(where + ": field " + quoted(field.name) +
                      " is new and cannot be required: entities that exist do not have it");
    }
  }
  return {};
}

Result<void> check_type(const Schema& schema, const codec::TypeSchema& type, Use use) {
  if (type.name == kEventTypeName) return check_event_type(type);
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
  return known == nullptr ? Result<void>() : check_fields(*known, type, use, where);
}

}  // namespace

Result<void> check_type(const Schema& schema, const codec::TypeSchema& type) {
  return check_type(schema, type, Use::kEntities);
}
Result<void> check_unused_type(const Schema& schema, const codec::TypeSchema& type) {
  return check_type(schema, type, Use::kNone);
}

bool seals_content(const Schema& schema) { return schema.protects() && schema.type(kEventTypeName) != nullptr; }

Result<codec::TypeSchema> with_rules_kept(const Schema& schema, codec::TypeSchema type) {
  const codec::TypeSchema* known = schema.type(type.name);
  if (known == nullptr) return type;
  for (codec::FieldSchema& field : type.fields) {
    const codec::FieldSchema* was = find(known->fields, field.name);
    if (was == nullptr) continue;
    field.required |= was->required;
    if (field.rule.none()) field.rule = was->rule;
    if (was->rule.none() || field.rule == was->rule) continue;
    return conflict("type " + quoted(type.name) + ": field " + quoted(field.name) +
                    " has another rule: only `khipu types add` changes one, and none may change once an entity of that "
                    "type is in the log");
  }
  return type;
}

codec::TypeSchema with_others_kept(const Schema& schema, codec::TypeSchema named) {
  const codec::TypeSchema* known = schema.type(named.name);
  if (known == nullptr) return named;
  codec::TypeSchema type = *known;
  for (const codec::FieldSchema& field : named.fields) {
    const codec::FieldSchema* was = find(known->fields, field.name);
    if (was == nullptr || find(named.fields, field.name) != &field) {
      type.fields.push_back(field);
    } else {
      type.fields[static_cast<size_t>(was - known->fields.data())] = field;
    }
  }
  return type;
}

Result<codec::TypeSchema> as_defined(const Schema& schema, codec::TypeSchema type, bool changes_rules,
                                     bool adds_fields) {
  if (!changes_rules) {
    KHIPU_TRY_ASSIGN(type, with_rules_kept(schema, std::move(type)));
  }
  return adds_fields ? with_others_kept(schema, std::move(type)) : type;
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
  KHIPU_TRY(check_rule(column.rule, column.kind, where + ": "));
  if (column.rule.subject) return invalid(where + ": a column belongs to no entity, so it has no subject key");
  if (column.indexed && !column.rule.none() && column.rule.protection != codec::Protection::kDigest &&
      column.rule.indexes.empty()) {
    return invalid(where + ": an index of a sealed column holds its tokens: give it a blind index too");
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
  if (const std::string_view what = changed(known->rule, column.rule); !what.empty()) {
    return conflict(where + ": its " + std::string(what) + " may not change once defined");
  }
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
