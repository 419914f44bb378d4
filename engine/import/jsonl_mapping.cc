// The generic importer: JSON records (or lines cut by a regex) to events, by a mapping file. Strict JSON: unknown
// members are errors. Its SHA-256 goes into every receipt, because another mapping makes other events of the same
// bytes.
//
//   { "khipu_mapping": 1, "name": "dpkg-log",
//     "lines": {"regex": "^(?P<time>...) ..."},             optional: every line is a record; without it records are
//     JSON "wrappers": ["Records"],                              optional: members of an outer object that hold the
//     records "types": {"package": {"version": "text"}},            fields by kind: text, number, json "columns":
//     {"state": {"kind": "text", "indexed": true}}, "event": {
//       "occurred_at": {RULE, "formats": ["rfc3339"], "zone": "local"},
//       "actor": {"type": "user", "id": {RULE}, "fields": {"name": {RULE}}},      "on_behalf_of": the same
//       "action": {RULE}, "action_class": {RULE}, "outcome": {RULE}, "url": {RULE}, "source": {RULE},
//       "source_ip": {RULE}, "event_id": {RULE}, "session": {RULE},
//       "targets": [{"each": "/items", "type": "package", "id": {RULE}, "fields": {}}],
//       "custom": {"state": {RULE}} } }
//
// A target whose id is absent is left out; so is on_behalf_of. An actor or action that is absent parks the record, an
// absent occurred_at does too where the mapping has one: a time is never made up.
#include <array>

#include "engine/base/utf8.h"
#include "engine/crypto/hash.h"
#include "engine/import/mapping_rule.h"
#include "engine/import/time_format.h"
#include "engine/ingest/json_scan.h"
#include "engine/ingest/near_name.h"
#include "engine/registry/schema.h"

namespace khipu::import {
namespace {

constexpr std::array<std::string_view, 7> kTexts = {"url",     "source",       "source_ip", "event_id",
                                                    "session", "action_class", "outcome"};

struct ValueRule {
  std::string name;
  codec::ValueKind kind = codec::ValueKind::kText;
  Rule rule;
};
struct EntityRule {
  std::string type;
  Rule id;
  std::vector<ValueRule> fields;
  std::string each;  // targets: pointer to an array, rules then look into its elements
};

class MappedFormat : public Mapper {
 public:
  static Result<std::unique_ptr<Mapper>> parse(std::string_view file) {
    auto made = std::make_unique<MappedFormat>();
    made->hash_ = crypto::sha256(as_bytes(file));
    auto root = made->parser_.parse(file);
    if (!root.ok()) return std::move(root).error().at("mapping file");
    KHIPU_TRY(made->read(*root));
    return std::unique_ptr<Mapper>(std::move(made));
  }

  std::string_view format() const override { return "jsonl"; }
  Hash mapping() const override { return hash_; }
  SourceOptions source() const override {
    SourceOptions options;
    options.container = line_ == nullptr ? Container::kJson : Container::kLines;
    options.wrappers = wrappers_;
    return options;
  }
  std::vector<codec::TypeSchema> types() const override { return types_; }
  std::vector<codec::ColumnSchema> columns() const override { return columns_; }

  Result<void> map(const Record& record, ingest::Batch& batch) override {
    made_.clear();
    groups_.clear();
    Lookup from{std::nullopt, nullptr, made_};
    if (line_ != nullptr) {
      KHIPU_TRY(cut(as_text(record.raw)));
      from.groups = &groups_;
    } else {
      KHIPU_TRY_ASSIGN(from.json, parser_.parse(as_text(record.raw)));
    }
    EventBuilder builder(batch);
    KHIPU_TRY(time(from, builder));
    KHIPU_TRY_ASSIGN(const auto actor, entity(actor_, from, builder));
    if (!actor) return Error{Code::kInvalid, "the record has no actor (event.actor.id of the mapping)"};
    builder.event.actor = *actor;
    const auto action = action_.text(from);
    if (!action || action->empty())
      return Error{Code::kInvalid, "the record has no action (event.action of the mapping)"};
    builder.event.action = builder.keep(*action);
    KHIPU_TRY(texts(from, builder));
    if (on_behalf_of_) {
      KHIPU_TRY_ASSIGN(builder.event.on_behalf_of, entity(*on_behalf_of_, from, builder));
    }
    for (const EntityRule& target : targets_) KHIPU_TRY(target_of(target, from, builder));
    for (const ValueRule& column : custom_) {
      KHIPU_TRY_ASSIGN(const auto value, value_of(column, from, builder));
      if (value) builder.column(builder.keep(column.name), *value);
    }
    builder.finish(line_ == nullptr ? codec::ContentKind::kJson : codec::ContentKind::kText, record);
    return {};
  }

 private:
  // Reading the mapping file ---------------------------------------------------------------------------------------

  Result<void> read(Json root) {
    constexpr std::string_view kMembers[] = {"khipu_mapping", "name", "lines", "wrappers", "types", "columns", "event"};
    KHIPU_TRY(known_members(root, "", kMembers));
    int64_t version = 0;
    const auto number = find(root, {"khipu_mapping"});
    if (!number || number->get(version) != simdjson::SUCCESS || version != 1) {
      return mapping_error("khipu_mapping", "this build reads version 1: \"khipu_mapping\": 1");
    }
    if (text(root, {"name"}).empty()) return mapping_error("name", "a mapping has a name, such as dpkg-log");
    if (const auto lines = find(root, {"lines"})) {
      constexpr std::string_view kRegex[] = {"regex"};
      KHIPU_TRY(known_members(*lines, "lines", kRegex));
      KHIPU_TRY_ASSIGN(line_, compile_regex(std::string(text(*lines, {"regex"})), "lines.regex"));
    }
    simdjson::dom::array wrappers;
    if (const auto list = find(root, {"wrappers"})) {
      if (line_ != nullptr || list->get(wrappers) != simdjson::SUCCESS) {
        return mapping_error("wrappers", "expected an array of member names, and no \"lines\" beside it");
      }
      for (const Json name : wrappers) {
        KHIPU_TRY_ASSIGN(wrappers_.emplace_back(), mapping_text(name, "wrappers"));
      }
    }
    KHIPU_TRY(read_types(root));
    KHIPU_TRY(read_columns(root));
    const auto event = find(root, {"event"});
    if (!event) return mapping_error("event", "it is missing: where each member of an event comes from");
    return read_event(*event);
  }

  static Result<codec::ValueKind> kind(Json value, const std::string& where) {
    std::string_view name;
    if (value.get(name) != simdjson::SUCCESS) {
      return mapping_error(where, "expected a kind: \"text\", \"number\" or \"json\"");
    }
    const auto found = codec::value_kind(name);
    if (!found) return mapping_error(where, ingest::quoted(name) + " is no kind: text, number or json");
    return *found;
  }

  Result<void> read_types(Json root) {
    simdjson::dom::object types, fields;
    const auto list = find(root, {"types"});
    if (!list) return {};
    if (list->get(types) != simdjson::SUCCESS) return mapping_error("types", "expected an object");
    registry::Schema schema;
    for (const auto entry : types) {
      const std::string where = "types." + std::string(entry.key);
      codec::TypeSchema type;
      type.name = entry.key;
      if (entry.value.get(fields) != simdjson::SUCCESS) return mapping_error(where, "expected {\"field\": \"kind\"}");
      for (const auto field : fields) {
        codec::FieldSchema& made = type.fields.emplace_back();
        made.name = field.key;
        KHIPU_TRY_ASSIGN(made.kind, kind(field.value, where + "." + made.name));
      }
      if (auto result = registry::check_type(schema, type); !result.ok()) {
        return mapping_error(where, result.error().message);
      }
      schema.apply(type);
    }
    types_ = schema.types();
    return {};
  }

  Result<void> read_columns(Json root) {
    constexpr std::string_view kMembers[] = {"kind", "indexed"};
    simdjson::dom::object columns;
    const auto list = find(root, {"columns"});
    if (!list) return {};
    if (list->get(columns) != simdjson::SUCCESS) return mapping_error("columns", "expected an object");
    registry::Schema schema;
    for (const auto entry : columns) {
      const std::string where = "columns." + std::string(entry.key);
      KHIPU_TRY(known_members(entry.value, where, kMembers));
      codec::ColumnSchema column;
      column.name = entry.key;
      if (const auto value = find(entry.value, {"kind"})) {
        KHIPU_TRY_ASSIGN(column.kind, kind(*value, where));
      }
      const auto indexed = find(entry.value, {"indexed"});
      if (indexed && indexed->get(column.indexed) != simdjson::SUCCESS) {
        return mapping_error(where + ".indexed", "expected true or false");
      }
      if (auto result = registry::check_column(schema, column); !result.ok()) {
        return mapping_error(where, result.error().message);
      }
      columns_.push_back(column);
    }
    return {};
  }

  Result<void> read_event(Json event) {
    constexpr std::string_view kMembers[] = {"occurred_at", "actor",  "action",      "action_class", "outcome",
                                             "targets",     "url",    "source",      "source_ip",    "event_id",
                                             "session",     "custom", "on_behalf_of"};
    KHIPU_TRY(known_members(event, "event", kMembers));
    if (const auto rule = find(event, {"occurred_at"})) KHIPU_TRY(read_time(*rule));
    const auto actor = find(event, {"actor"}), action = find(event, {"action"});
    if (!actor || !action) return mapping_error("event", "actor and action are needed");
    KHIPU_TRY_ASSIGN(actor_, read_entity(*actor, "event.actor", false));
    KHIPU_TRY_ASSIGN(action_, Rule::parse(*action, "event.action"));
    if (const auto rule = find(event, {"on_behalf_of"})) {
      KHIPU_TRY_ASSIGN(on_behalf_of_, read_entity(*rule, "event.on_behalf_of", false));
    }
    for (size_t i = 0; i < kTexts.size(); ++i) {
      const auto rule = find(event, {kTexts[i]});
      if (!rule) continue;
      const std::string name(kTexts[i]), where = "event." + name;
      KHIPU_TRY_ASSIGN(texts_[i], Rule::parse(*rule, where));
      const auto known = [&](std::string_view word) {
        return name == "outcome" ? codec::outcome(word).has_value() : codec::action_class(word).has_value();
      };
      if (name != "outcome" && name != "action_class") continue;
      if (const auto word = texts_[i]->stray(known)) {
        return mapping_error(where, ingest::quoted(*word) + " is no " + name);
      }
    }
    simdjson::dom::array targets;
    if (const auto list = find(event, {"targets"})) {
      if (list->get(targets) != simdjson::SUCCESS) return mapping_error("event.targets", "expected an array");
      for (const Json target : targets) {
        const std::string where = "event.targets[" + std::to_string(targets_.size()) + "]";
        KHIPU_TRY_ASSIGN(EntityRule rule, read_entity(target, where, true));
        targets_.push_back(std::move(rule));
      }
    }
    const auto custom = find(event, {"custom"});
    if (!custom) return {};
    return read_values(*custom, "event.custom", custom_, [&](std::string_view name) -> std::optional<codec::ValueKind> {
      for (const auto& column : columns_) {
        if (column.name == name) return column.kind;
      }
      return std::nullopt;
    });
  }

  template <typename KindOf>
  static Result<void> read_values(Json object, const std::string& where, std::vector<ValueRule>& into, KindOf kind_of) {
    simdjson::dom::object members;
    if (object.get(members) != simdjson::SUCCESS) return mapping_error(where, "expected an object of rules");
    for (const auto member : members) {
      const std::string place = where + "." + std::string(member.key);
      const auto value_kind = kind_of(member.key);
      if (!value_kind) return mapping_error(place, "not defined under \"types\" or \"columns\" of this mapping");
      ValueRule& value = into.emplace_back();
      value.name = member.key;
      value.kind = *value_kind;
      KHIPU_TRY_ASSIGN(value.rule, Rule::parse(member.value, place));
    }
    return {};
  }

  Result<void> read_time(Json json) {
    const std::string where = "event.occurred_at";
    KHIPU_TRY_ASSIGN(time_, Rule::parse(json, where, {"formats", "zone"}));
    if (const auto zone = find(json, {"zone"})) {
      KHIPU_TRY_ASSIGN(const std::string name, mapping_text(*zone, where + ".zone"));
      KHIPU_TRY_ASSIGN(zone_, at("mapping file: " + where, parse_zone(name)));
    }
    simdjson::dom::array formats;
    const auto list = find(json, {"formats"});
    if (!list || list->get(formats) != simdjson::SUCCESS) {
      return mapping_error(where, "\"formats\" lists the time formats that occur, such as [\"rfc3339\"]");
    }
    if (formats.size() == 0) return mapping_error(where + ".formats", "it is empty: no time would fit");
    for (const Json format : formats) {
      KHIPU_TRY_ASSIGN(formats_.emplace_back(), mapping_text(format, where + ".formats"));
      KHIPU_TRY(at("mapping file: " + where, check_time_format(formats_.back(), zone_)));
    }
    return {};
  }

  Result<EntityRule> read_entity(Json json, const std::string& where, bool target) {
    constexpr std::string_view kMembers[] = {"type", "id", "fields", "each"};
    KHIPU_TRY(known_members(json, where, std::span(kMembers).first(target ? 4 : 3)));
    EntityRule entity;
    entity.type = text(json, {"type"});
    if (!registry::valid_name(entity.type)) return mapping_error(where + ".type", "the name of a type is needed");
    const codec::TypeSchema* type = nullptr;
    for (const auto& known : types_) type = known.name == entity.type ? &known : type;
    const auto id = find(json, {"id"});
    if (!id) return mapping_error(where + ".id", "a rule is needed");
    KHIPU_TRY_ASSIGN(entity.id, Rule::parse(*id, where + ".id"));
    entity.each = text(json, {"each"});
    if (!entity.each.empty() && (line_ != nullptr || entity.each.front() != '/')) {
      return mapping_error(where + ".each", "a JSON Pointer to an array, and only for JSON records");
    }
    if (!entity.each.empty()) KHIPU_TRY(check_pointer(entity.each, where + ".each"));
    const auto fields = find(json, {"fields"});
    if (!fields) return entity;
    KHIPU_TRY(read_values(*fields, where + ".fields", entity.fields,
                          [&](std::string_view name) -> std::optional<codec::ValueKind> {
                            if (type == nullptr) return std::nullopt;
                            for (const auto& field : type->fields) {
                              if (field.name == name) return field.kind;
                            }
                            return std::nullopt;
                          }));
    return entity;
  }

  // Mapping a record -----------------------------------------------------------------------------------------------

  Result<void> cut(std::string_view line) {
    // A `.` of the regex stops in front of such a byte: a group would be a part of what stands there.
    if (!valid_utf8(as_bytes(line))) return Error{Code::kInvalid, "the line is not valid UTF-8"};
    const int count = line_->NumberOfCapturingGroups() + 1;
    std::vector<re2::StringPiece> pieces(static_cast<size_t>(count));
    const re2::StringPiece input(line.data(), line.size());
    if (!line_->Match(input, 0, input.size(), RE2::UNANCHORED, pieces.data(), count)) {
      return Error{Code::kInvalid, "the line does not match lines.regex of the mapping"};
    }
    for (const auto& [name, index] : line_->NamedCapturingGroups()) {
      const re2::StringPiece& piece = pieces[static_cast<size_t>(index)];
      if (piece.data() != nullptr) groups_.emplace(name, std::string_view(piece.data(), piece.size()));
    }
    return {};
  }

  Result<void> time(const Lookup& from, EventBuilder& builder) const {
    if (!time_) return {};
    const auto value = time_->text(from);
    if (!value) return Error{Code::kInvalid, "the record has no time (event.occurred_at of the mapping)"};
    for (const std::string& format : formats_) {
      builder.event.occurred_at = parse_time(*value, format, zone_);
      if (builder.event.occurred_at) return {};
    }
    return Error{Code::kInvalid, "time " + ingest::quoted(*value) + " has none of the mapping's formats"};
  }

  Result<void> texts(const Lookup& from, EventBuilder& builder) const {
    ingest::Event& event = builder.event;
    for (size_t i = 0; i < kTexts.size(); ++i) {
      if (!texts_[i]) continue;
      const std::string_view value = texts_[i]->text(from).value_or("");
      if (value.empty()) continue;
      const std::string_view name = kTexts[i];
      if (name == "action_class") {
        const auto known = codec::action_class(value);
        if (!known) return Error{Code::kInvalid, "action_class " + ingest::quoted(value) + " is none; use a table"};
        event.action_class = *known;
      } else if (name == "outcome") {
        const auto known = codec::outcome(value);
        if (!known) return Error{Code::kInvalid, "outcome " + ingest::quoted(value) + " is none; use a table"};
        event.outcome = *known;
      } else {
        std::string_view ingest::Event::*const kMember[] = {&ingest::Event::url, &ingest::Event::source,
                                                            &ingest::Event::source_ip, &ingest::Event::event_id,
                                                            &ingest::Event::session};
        event.*kMember[i] = builder.keep(value);
      }
    }
    return {};
  }

  static Result<std::optional<codec::Value>> value_of(const ValueRule& rule, const Lookup& from,
                                                      EventBuilder& builder) {
    KHIPU_TRY_ASSIGN(const auto text_value, rule.rule.of_kind(from, rule.kind));
    if (!text_value || text_value->empty()) return std::optional<codec::Value>();
    if (rule.kind == codec::ValueKind::kText) return std::optional(codec::Value::of_text(builder.keep(*text_value)));
    if (auto valid = ingest::check_json(*text_value); !valid.ok()) return std::move(valid).error().at(rule.name);
    if (rule.kind == codec::ValueKind::kJson) return std::optional(codec::Value::of_json(builder.keep(*text_value)));
    const char first = text_value->front();
    if (first != '-' && (first < '0' || first > '9')) {
      return Error{Code::kInvalid, rule.name + ": " + ingest::quoted(*text_value) + " is no number"};
    }
    KHIPU_TRY_ASSIGN(const codec::Value number, at(rule.name, ingest::number_value(*text_value)));
    return std::optional(number);
  }

  static Result<std::optional<ingest::EntityInput>> entity(const EntityRule& rule, const Lookup& from,
                                                           EventBuilder& builder) {
    const auto id = rule.id.text(from);
    if (!id || id->empty()) return std::optional<ingest::EntityInput>();
    for (const ValueRule& field : rule.fields) {
      KHIPU_TRY_ASSIGN(const auto value, value_of(field, from, builder));
      if (value) builder.value_field(builder.keep(field.name), *value);
    }
    return std::optional(builder.entity(builder.keep(rule.type), *id));
  }

  static Result<void> target_of(const EntityRule& rule, const Lookup& from, EventBuilder& builder) {
    if (rule.each.empty()) {
      KHIPU_TRY_ASSIGN(const auto made, entity(rule, from, builder));
      if (made) builder.target(*made);
      return {};
    }
    Json value;
    simdjson::dom::array items;
    if (from.json->at_pointer(rule.each).get(value) != simdjson::SUCCESS) return {};
    if (value.get(items) != simdjson::SUCCESS) return Error{Code::kInvalid, "targets: " + rule.each + " is no array"};
    for (const Json item : items) {
      const Lookup inside{item, nullptr, from.made};
      KHIPU_TRY_ASSIGN(const auto made, entity(rule, inside, builder));
      if (made) builder.target(*made);
    }
    return {};
  }

  Hash hash_{};
  RecordParser parser_;
  std::shared_ptr<const RE2> line_;
  std::vector<std::string> wrappers_;
  std::vector<codec::TypeSchema> types_;
  std::vector<codec::ColumnSchema> columns_;
  std::optional<Rule> time_;
  std::vector<std::string> formats_;
  Zone zone_;
  EntityRule actor_;
  std::optional<EntityRule> on_behalf_of_;
  Rule action_;
  std::array<std::optional<Rule>, kTexts.size()> texts_;
  std::vector<EntityRule> targets_;
  std::vector<ValueRule> custom_;
  std::map<std::string, std::string_view, std::less<>> groups_;  // of the record at hand, like made_
  MadeTexts made_;
};

}  // namespace

Result<std::unique_ptr<Mapper>> make_jsonl_mapper(std::string_view text) { return MappedFormat::parse(text); }

}  // namespace khipu::import
