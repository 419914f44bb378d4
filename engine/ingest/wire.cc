#include "engine/ingest/wire.h"

#include <algorithm>

#include "engine/codec/cbor.h"
#include "engine/ingest/json_scan.h"

namespace khipu::ingest {
namespace {

using codec::CborItem;
using codec::CborKind;
using codec::CborReader;
using codec::CborWriter;
using codec::Value;

constexpr uint64_t kVersion = 1;

void put_value(CborWriter& to, const Value& value) {
  switch (value.kind) {
    case Value::Kind::kText: return to.text(value.text);
    case Value::Kind::kJson: return to.bytes(as_bytes(value.text));
    case Value::Kind::kInteger: return to.integer(value.integer);
    case Value::Kind::kUnsigned: return to.unsigned_integer(value.unsigned_integer);
    case Value::Kind::kReal: return to.real(value.real);
    case Value::Kind::kProtected: break;  // the writer's to make, never a producer's
  }
  KHIPU_ASSERT(false);
}

void put_entity(CborWriter& to, const EntityInput& entity) {
  to.array(entity.revives ? 5 : 4);
  to.text(entity.type);
  to.text(entity.id);
  to.array(entity.fields.size());
  for (const FieldInput& field : entity.fields) {
    to.array(2);
    to.text(field.name);
    field.remove ? to.null() : put_value(to, field.value);
  }
  to.boolean(entity.deleted);
  if (entity.revives) to.boolean(true);
}

void put_key(CborWriter& to, const IdempotencyKey& key) {
  to.array(3);
  to.text(key.scope);
  to.text(key.key);
  to.bytes(key.body);
}

void put_event(CborWriter& to, const Event& event) {
  const std::array<std::string_view, 5> texts = {event.url, event.source, event.source_ip, event.event_id,
                                                 event.session};
  uint64_t count = 2;
  count += event.occurred_at.has_value() + (event.action_class != codec::ActionClass::kOther) +
           (event.outcome != codec::Outcome::kUnknown) + !event.targets.empty() + event.on_behalf_of.has_value() +
           (event.content_kind != codec::ContentKind::kNone) + !event.custom.empty();
  for (const std::string_view text : texts) count += !text.empty();
  to.map(count);
  if (event.occurred_at) {
    to.unsigned_integer(0);
    to.integer(*event.occurred_at);
  }
  to.unsigned_integer(1);
  put_entity(to, event.actor);
  to.unsigned_integer(2);
  to.text(event.action);
  if (event.action_class != codec::ActionClass::kOther) {
    to.unsigned_integer(3);
    to.unsigned_integer(static_cast<uint64_t>(event.action_class));
  }
  if (event.outcome != codec::Outcome::kUnknown) {
    to.unsigned_integer(4);
    to.unsigned_integer(static_cast<uint64_t>(event.outcome));
  }
  if (!event.targets.empty()) {
    to.unsigned_integer(5);
    to.array(event.targets.size());
    for (const EntityInput& target : event.targets) put_entity(to, target);
  }
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].empty()) continue;
    to.unsigned_integer(6 + i);
    to.text(texts[i]);
  }
  if (event.on_behalf_of) {
    to.unsigned_integer(11);
    put_entity(to, *event.on_behalf_of);
  }
  if (event.content_kind != codec::ContentKind::kNone) {
    to.unsigned_integer(12);
    to.array(2);
    to.unsigned_integer(static_cast<uint64_t>(event.content_kind));
    to.bytes(event.content);
  }
  if (!event.custom.empty()) {
    to.unsigned_integer(13);
    to.array(event.custom.size());
    for (const ColumnInput& column : event.custom) {
      to.array(2);
      to.text(column.name);
      put_value(to, column.value);
    }
  }
}

// A COLUMN statement whose number the writer is to give has no row form yet: a row's number is never 0.
const codec::ColumnSchema* unnumbered(const codec::Statement& statement) {
  const auto* column = std::get_if<codec::ColumnStatement>(&statement);
  return column != nullptr && column->column.id == 0 ? &column->column : nullptr;
}

void put_statements(CborWriter& to, const std::vector<codec::Statement>& statements, size_t columns) {
  if (statements.size() > columns) {
    to.unsigned_integer(4);
    to.array(statements.size() - columns);
    Buffer row;
    for (const codec::Statement& statement : statements) {
      if (unnumbered(statement) != nullptr) continue;
      row.clear();
      codec::encode_statement(row, {{}, 0, statement});  // uid and time are the writer's to give
      to.bytes(row);
    }
  }
  if (columns == 0) return;
  to.unsigned_integer(5);
  to.array(columns);
  for (const codec::Statement& statement : statements) {
    const codec::ColumnSchema* column = unnumbered(statement);
    if (column == nullptr) continue;
    to.array(column->rule == codec::Rule{} ? 5 : 6);
    to.text(column->name);
    to.unsigned_integer(static_cast<uint64_t>(column->kind));
    to.boolean(column->indexed);
    to.boolean(column->required);
    to.integer(column->required_since_us);
    if (column->rule != codec::Rule{}) to.text(codec::text_of(column->rule));
  }
}

// Reads one batch; holds the scratch vectors so that an event costs no allocation once they have grown.
class Decoder {
 public:
  Decoder(CborReader& from, Batch& batch, const Limits& limits) : from_(from), batch_(batch), limits_(limits) {}

  Result<void> run() {
    KHIPU_TRY_ASSIGN(codec::CborIntMap map, codec::CborIntMap::open(from_));
    bool version = false, events = false;
    for (;;) {
      KHIPU_TRY_ASSIGN(const std::optional<uint64_t> key, map.next());
      if (!key) break;
      if (*key != 0 && !version) return from_.fail("a batch begins with its version");
      switch (*key) {
        case 0: {
          KHIPU_TRY_ASSIGN(const uint64_t number, from_.unsigned_integer());
          if (number != kVersion) {
            return Error{Code::kUnsupported, "batch version " + std::to_string(number) + ": this writer knows 1"};
          }
          version = true;
          break;
        }
        case 1:
          KHIPU_TRY(read_events());
          events = true;
          break;
        case 2: {
          KHIPU_TRY_ASSIGN(batch_.key, read_key());
          break;
        }
        case 3: KHIPU_TRY(read_keys()); break;
        case 4: KHIPU_TRY(read_statements()); break;
        case 5: KHIPU_TRY(read_columns()); break;
        case 6: {
          KHIPU_TRY_ASSIGN(batch_.seal_content, from_.boolean());
          if (!batch_.seal_content) return from_.fail("a flag that is false is left out");
          break;
        }
        case 7: {
          KHIPU_TRY_ASSIGN(batch_.changes_rules, from_.boolean());
          if (!batch_.changes_rules) return from_.fail("a flag that is false is left out");
          break;
        }
        case 8: {
          KHIPU_TRY_ASSIGN(batch_.adds_fields, from_.boolean());
          if (!batch_.adds_fields) return from_.fail("a flag that is false is left out");
          break;
        }
        default: return from_.fail("unknown member of a batch");
      }
    }
    if (!version || !events) return from_.fail("a batch needs its version and its events");
    return from_.expect_end();
  }

 private:
  // An array of at most `max` items; `max` is kept small enough that reserving for it is harmless.
  Result<uint64_t> array(uint64_t max, std::string_view what) {
    KHIPU_TRY_ASSIGN(const uint64_t count, from_.array());
    if (count > max) {
      return Error{Code::kLimit, std::to_string(count) + " " + std::string(what) + ", at most " + std::to_string(max)};
    }
    return count;
  }
  Result<uint64_t> of_batch(std::string_view what) {
    Result<uint64_t> count = array(limits_.batch_events_max, what);
    if (!count.ok() && count.error().code == Code::kLimit) {
      return Error{Code::kLimit, count.error().message + " (limits.batch_events_max)"};
    }
    return count;
  }
  Result<void> exactly(uint64_t wanted, const char* what) {
    KHIPU_TRY_ASSIGN(const uint64_t count, from_.array());
    if (count != wanted) return from_.fail(what);
    return {};
  }

  Result<void> read_events() {
    KHIPU_TRY_ASSIGN(const uint64_t count, of_batch("events"));
    for (uint64_t i = 0; i < count; ++i) {
      batch_.events.emplace_back();
      KHIPU_TRY(at("event " + std::to_string(i), read_event(batch_.events.back())));
    }
    return {};
  }

  Result<void> read_event(Event& event) {
    KHIPU_TRY_ASSIGN(codec::CborIntMap map, codec::CborIntMap::open(from_));
    bool actor = false, action = false;
    for (;;) {
      KHIPU_TRY_ASSIGN(const std::optional<uint64_t> key, map.next());
      if (!key) break;
      actor |= *key == 1;
      action |= *key == 2;
      KHIPU_TRY(read_member(event, *key));
    }
    if (!actor || !action) return from_.fail("an event needs its actor and its action");
    return {};
  }

  Result<void> read_member(Event& event, uint64_t key) {
    switch (key) {
      case 0: {
        KHIPU_TRY_ASSIGN(event.occurred_at, from_.integer());
        return {};
      }
      case 1: return read_entity(event.actor);
      case 2: {
        KHIPU_TRY_ASSIGN(event.action, from_.text());
        return {};
      }
      case 3: {
        KHIPU_TRY_ASSIGN(const uint64_t value, from_.unsigned_integer());
        if (value == 0 || value > static_cast<uint64_t>(codec::ActionClass::kLogControl))
          return from_.fail("action class");
        event.action_class = static_cast<codec::ActionClass>(value);
        return {};
      }
      case 4: {
        KHIPU_TRY_ASSIGN(const uint64_t value, from_.unsigned_integer());
        if (value == 0 || value > static_cast<uint64_t>(codec::Outcome::kDenied)) return from_.fail("outcome");
        event.outcome = static_cast<codec::Outcome>(value);
        return {};
      }
      case 5: return read_targets(event);
      case 6: return read_text(event.url);
      case 7: return read_text(event.source);
      case 8: return read_text(event.source_ip);
      case 9: return read_text(event.event_id);
      case 10: return read_text(event.session);
      case 11: return read_entity(event.on_behalf_of.emplace());
      case 12: return read_content(event);
      case 13: return read_custom(event);
      default: return from_.fail("unknown member of an event");
    }
  }

  Result<void> read_text(std::string_view& into) {
    KHIPU_TRY_ASSIGN(into, from_.text());
    if (into.empty()) return from_.fail("an empty member is left out");
    return {};
  }

  Result<void> read_targets(Event& event) {
    KHIPU_TRY_ASSIGN(const uint64_t count, array(limits_.targets_max, "targets"));
    if (count == 0) return from_.fail("an empty member is left out");
    std::vector<EntityInput> targets(count);
    for (EntityInput& target : targets) KHIPU_TRY(read_entity(target));
    event.targets = batch_.keep(std::span<const EntityInput>(targets));
    return {};
  }

  Result<void> read_entity(EntityInput& entity) {
    KHIPU_TRY_ASSIGN(const uint64_t parts, from_.array());
    if (parts != 4 && parts != 5) return from_.fail("an entity is [type, id, fields, deleted] or these and revives");
    KHIPU_TRY_ASSIGN(entity.type, from_.text());
    KHIPU_TRY_ASSIGN(entity.id, from_.text());
    KHIPU_TRY_ASSIGN(const uint64_t count, array(limits_.fields_max, "fields"));
    fields_.clear();
    for (uint64_t i = 0; i < count; ++i) {
      KHIPU_TRY(exactly(2, "a field is [name, value]"));
      FieldInput& field = fields_.emplace_back();
      KHIPU_TRY_ASSIGN(field.name, from_.text());
      if (from_.peek() == CborKind::kNull && !from_.done()) {
        KHIPU_TRY_ASSIGN(const CborItem item, from_.next());
        field.remove = item.kind == CborKind::kNull;
        continue;
      }
      KHIPU_TRY_ASSIGN(field.value, read_value());
    }
    entity.fields = batch_.keep(std::span<const FieldInput>(fields_));
    KHIPU_TRY_ASSIGN(entity.deleted, from_.boolean());
    if (parts == 4) return {};
    KHIPU_TRY_ASSIGN(entity.revives, from_.boolean());
    if (!entity.revives) return from_.fail("a flag that is false is left out");
    if (entity.deleted) return from_.fail("an entity is deleted or revived, not both");
    return {};
  }

  Result<Value> read_value() {
    KHIPU_TRY_ASSIGN(const CborItem item, from_.next());
    switch (item.kind) {
      case CborKind::kText: return Value::of_text(as_text(item.bytes));
      case CborKind::kBytes:
        KHIPU_TRY(at("json value", check_json(as_text(item.bytes))));
        return Value::of_json(as_text(item.bytes));
      case CborKind::kUnsigned: return Value::of_unsigned(item.value);
      case CborKind::kNegative:
        if (item.value > static_cast<uint64_t>(INT64_MAX)) return from_.fail("an integer below 64 bits");
        return Value::of_integer(-1 - static_cast<int64_t>(item.value));
      case CborKind::kFloat: return Value::of_real(item.real);
      default: return from_.fail("expected text, bytes, integer or float as a value");
    }
  }

  Result<void> read_content(Event& event) {
    KHIPU_TRY(exactly(2, "content is [kind, bytes]"));
    KHIPU_TRY_ASSIGN(const uint64_t kind, from_.unsigned_integer());
    if (kind == 0 || kind > static_cast<uint64_t>(codec::ContentKind::kJson)) return from_.fail("content kind");
    event.content_kind = static_cast<codec::ContentKind>(kind);
    KHIPU_TRY_ASSIGN(event.content, from_.bytes());
    if (event.content_kind == codec::ContentKind::kJson) KHIPU_TRY(at("content", check_json(as_text(event.content))));
    return {};
  }

  Result<void> read_custom(Event& event) {
    KHIPU_TRY_ASSIGN(const uint64_t count, array(limits_.fields_max, "columns"));
    if (count == 0) return from_.fail("an empty member is left out");
    std::vector<ColumnInput> columns(count);
    for (ColumnInput& column : columns) {
      KHIPU_TRY(exactly(2, "a column is [name, value]"));
      KHIPU_TRY_ASSIGN(column.name, from_.text());
      KHIPU_TRY_ASSIGN(column.value, read_value());
    }
    event.custom = batch_.keep(std::span<const ColumnInput>(columns));
    return {};
  }

  Result<IdempotencyKey> read_key() {
    IdempotencyKey key;
    KHIPU_TRY(exactly(3, "a key is [scope, key, body]"));
    KHIPU_TRY_ASSIGN(key.scope, from_.text());
    KHIPU_TRY_ASSIGN(key.key, from_.text());
    KHIPU_TRY_ASSIGN(key.body, from_.fixed<32>());
    return key;
  }

  Result<void> read_keys() {
    KHIPU_TRY_ASSIGN(const uint64_t count, of_batch("keys"));
    if (count == 0) return from_.fail("an empty member is left out");
    for (uint64_t i = 0; i < count; ++i) {
      KHIPU_TRY_ASSIGN(IdempotencyKey key, read_key());
      batch_.event_keys.push_back(std::move(key));
    }
    return {};
  }

  Result<void> read_statements() {
    KHIPU_TRY_ASSIGN(const uint64_t count, of_batch("statements"));
    if (count == 0) return from_.fail("an empty member is left out");
    for (uint64_t i = 0; i < count; ++i) {
      KHIPU_TRY_ASSIGN(const Bytes row, from_.bytes());
      KHIPU_TRY_ASSIGN(codec::StatementRecord statement, codec::decode_statement(row));
      if (statement.uid != Uid{} || statement.recorded_at != 0) {
        return from_.fail("a statement's uid and time are the writer's to give");
      }
      batch_.statements.push_back(std::move(statement.body));
    }
    return {};
  }

  Result<void> read_columns() {
    KHIPU_TRY_ASSIGN(const uint64_t count, of_batch("columns"));
    if (count == 0) return from_.fail("an empty member is left out");
    for (uint64_t i = 0; i < count; ++i) {
      codec::ColumnSchema column;
      KHIPU_TRY_ASSIGN(const uint64_t parts, from_.array());
      if (parts != 5 && parts != 6) {
        return from_.fail("a column is [name, kind, indexed, required, required_since] or these and its rule");
      }
      KHIPU_TRY_ASSIGN(const std::string_view name, from_.text());
      column.name = name;
      KHIPU_TRY_ASSIGN(const uint64_t kind, from_.unsigned_integer());
      if (name.empty() || kind > static_cast<uint64_t>(codec::ValueKind::kJson))
        return from_.fail("column name or kind");
      column.kind = static_cast<codec::ValueKind>(kind);
      KHIPU_TRY_ASSIGN(column.indexed, from_.boolean());
      KHIPU_TRY_ASSIGN(column.required, from_.boolean());
      KHIPU_TRY_ASSIGN(column.required_since_us, from_.integer());
      if (parts == 6) {
        KHIPU_TRY_ASSIGN(const std::string_view words, from_.text());
        const std::optional<codec::Rule> rule = codec::rule(words);
        if (!rule || *rule == codec::Rule{}) return from_.fail(codec::kRuleWords);
        column.rule = *rule;
      }
      batch_.statements.push_back(codec::ColumnStatement{std::move(column)});
    }
    return {};
  }

  CborReader& from_;
  Batch& batch_;
  const Limits& limits_;
  std::vector<FieldInput> fields_;
};

}  // namespace

Buffer encode_batch(const Batch& batch) {
  Buffer bytes;
  CborWriter to(bytes);
  const auto columns = static_cast<size_t>(std::count_if(batch.statements.begin(), batch.statements.end(),
                                                         [](const auto& one) { return unnumbered(one) != nullptr; }));
  to.map(2 + uint64_t{batch.key.has_value()} + uint64_t{!batch.event_keys.empty()} +
         uint64_t{batch.statements.size() > columns} + uint64_t{columns > 0} + uint64_t{batch.seal_content} +
         uint64_t{batch.changes_rules} + uint64_t{batch.adds_fields});
  to.unsigned_integer(0);
  to.unsigned_integer(kVersion);
  to.unsigned_integer(1);
  to.array(batch.events.size());
  for (const Event& event : batch.events) put_event(to, event);
  if (batch.key) {
    to.unsigned_integer(2);
    put_key(to, *batch.key);
  }
  if (!batch.event_keys.empty()) {
    to.unsigned_integer(3);
    to.array(batch.event_keys.size());
    for (const IdempotencyKey& key : batch.event_keys) put_key(to, key);
  }
  put_statements(to, batch.statements, columns);
  if (batch.seal_content) {
    to.unsigned_integer(6);
    to.boolean(true);
  }
  if (batch.changes_rules) {
    to.unsigned_integer(7);
    to.boolean(true);
  }
  if (batch.adds_fields) {
    to.unsigned_integer(8);
    to.boolean(true);
  }
  return bytes;
}

Result<Batch> decode_batch(Bytes bytes, const Limits& limits) {
  Batch batch;
  const std::string_view text = batch.adopt(std::string(as_text(bytes)));
  CborReader reader(as_bytes(text));
  auto result = Decoder(reader, batch, limits).run();
  if (result.ok()) return batch;
  Error error = std::move(result).error();
  if (error.code == Code::kCorrupt) error.code = Code::kInvalid;  // the sender's doing, not the disk's
  return error;
}

}  // namespace khipu::ingest
