#include "engine/ingest/validate.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cmath>

#include "engine/base/time.h"
#include "engine/codec/cbor.h"
#include "engine/ingest/near_name.h"

namespace khipu::ingest {
namespace {

using codec::Value;

constexpr uint32_t kShortTextMax = 4096;
constexpr size_t kKeyMax = 256;

Error invalid(std::string message) { return {Code::kInvalid, std::move(message)}; }

// Eight bytes at a time: nearly every text is ASCII and leaves after the first loop.
bool is_utf8(std::string_view text) {
  uint64_t high = 0;
  size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + at, 8);
    high |= word & 0x8080808080808080ULL;
  }
  for (; at < text.size(); ++at) high |= static_cast<uint8_t>(text[at]) & 0x80;
  return high == 0 || codec::valid_utf8(as_bytes(text));
}

class Checker {
 public:
  Checker(const registry::Schema& schema, const Limits& limits, TimeUs now)
      : schema_(schema), limits_(limits), now_(now) {
    for (const auto& column : schema.columns()) {
      if (column.required) required_.push_back(&column);
    }
  }

  Result<void> event(const Event& event) {
    size_ = event.content.size();
    if (event.occurred_at && (*event.occurred_at > now_ + limits_.future_us_max || *event.occurred_at < kTimeMin ||
                              *event.occurred_at > kTimeMax)) {
      return bad_time(*event.occurred_at);
    }
    KHIPU_TRY(entity(event.actor, "actor"));
    if (event.action.empty()) return invalid("action: it must not be empty");
    KHIPU_TRY(text(event.action, "action", kShortTextMax));
    if (event.targets.size() > limits_.targets_max) {
      return invalid("targets: " + std::to_string(event.targets.size()) + " of them, at most " +
                     std::to_string(limits_.targets_max) + " fit into one event");
    }
    for (size_t i = 0; i < event.targets.size(); ++i) {
      if (auto result = entity(event.targets[i], "targets"); !result.ok()) {
        return std::move(result).error().at("target " + std::to_string(i));
      }
    }
    KHIPU_TRY(text(event.url, "url", limits_.text_size_bytes_max));
    KHIPU_TRY(text(event.source, "source", kShortTextMax));
    KHIPU_TRY(text(event.event_id, "event_id", kShortTextMax));
    KHIPU_TRY(text(event.session, "session", kShortTextMax));
    if (!event.source_ip.empty()) {
      size_ += event.source_ip.size();
      if (!is_ip_address(event.source_ip)) {
        // What may have to be sealed is not quoted.
        return invalid("source_ip: " + (schema_.protects() ? "what was given" : quoted(event.source_ip)) +
                       " is not an IPv4 or IPv6 address (no port, no prefix length); leave it out when unknown");
      }
    }
    if (event.on_behalf_of) KHIPU_TRY(entity(*event.on_behalf_of, "on_behalf_of"));
    const bool has_content = event.content_kind != codec::ContentKind::kNone;
    if (has_content == event.content.empty()) return invalid("content: empty content is left out, kind none");
    KHIPU_TRY(columns(event));
    if (size_ > limits_.event_size_bytes_max) {
      return {Error{Code::kLimit, "the event has " + std::to_string(size_) + " bytes of content and texts, at most " +
                                      std::to_string(limits_.event_size_bytes_max) + " are allowed"}};
    }
    return {};
  }

 private:
  Error bad_time(TimeUs time) const {
    const std::string text = time < kTimeMin || time > kTimeMax ? std::to_string(time) + " us" : format_rfc3339(time);
    if (time < kTimeMin || time > kTimeMax)
      return invalid("occurred_at: " + text + " is outside the years 0001 to 9999");
    return invalid("occurred_at: " + text + " is more than " +
                   std::to_string(limits_.future_us_max / kMicrosPerSecond) + " s ahead of this machine's clock (" +
                   format_rfc3339(now_) + ")");
  }

  Result<void> text(std::string_view text, std::string_view where, size_t size_max) {
    size_ += text.size();
    if (text.size() > size_max) {
      return Error{Code::kLimit, std::string(where) + ": " + std::to_string(text.size()) + " bytes, at most " +
                                     std::to_string(size_max) + " are allowed"};
    }
    // Control characters come in: the user name of a failed login is evidence as it was typed. Whoever shows it
    // escapes.
    if (!is_utf8(text)) return invalid(std::string(where) + ": not valid UTF-8");
    return {};
  }

  Result<void> entity(const EntityInput& entity, std::string_view where) {
    const codec::TypeSchema* type = find_type(entity.type);
    if (type == nullptr) return unknown_type(entity, where);
    if (entity.id.empty()) return invalid(std::string(where) + ".id: it must not be empty");
    if (auto result = text(entity.id, "id", limits_.id_size_bytes_max); !result.ok()) {
      return std::move(result).error().at(where);
    }
    if (entity.fields.empty()) return {};
    if (entity.deleted) return invalid(std::string(where) + ": an entity that is deleted takes no fields");
    if (entity.fields.size() > limits_.fields_max) {
      return invalid(std::string(where) + ".fields: " + std::to_string(entity.fields.size()) + " of them, at most " +
                     std::to_string(limits_.fields_max));
    }
    for (size_t i = 0; i < entity.fields.size(); ++i) {
      if (auto result = field(*type, entity.fields, i); !result.ok()) {
        return std::move(result).error().at(std::string(where) + ".fields." + printable(entity.fields[i].name));
      }
    }
    return {};
  }

  Result<void> field(const codec::TypeSchema& type, std::span<const FieldInput> fields, size_t index) {
    const FieldInput& field = fields[index];
    const auto known = std::find_if(type.fields.begin(), type.fields.end(),
                                    [&](const codec::FieldSchema& schema) { return schema.name == field.name; });
    if (known == type.fields.end()) return unknown_field(type, field);
    if (repeated(fields, index)) return invalid("named twice");
    if (field.remove) return {};
    return value(field.value, known->kind, known->rule);
  }

  template <typename T>
  static bool repeated(std::span<const T> named, size_t index) {
    for (size_t i = 0; i < index; ++i) {
      if (named[i].name == named[index].name) return true;
    }
    return false;
  }

  // What an export without the key writes in place of a protected value (engine/query/print.cc).
  static bool is_withheld(const Value& value) {
    return value.kind == Value::Kind::kJson && value.text.starts_with(R"({"withheld":")");
  }

  Result<void> value(const Value& value, codec::ValueKind kind, const codec::Rule& rule) {
    if (value.is_protected()) return invalid("values come in the clear: the writer protects them");
    if (is_withheld(value) && (kind != codec::ValueKind::kJson || !rule.none())) {
      if (rule.protection == codec::Protection::kDigest) {
        return invalid("a digest stands here, which no key opens: the value itself is wanted, or leave it out");
      }
      return invalid(
          "this value was exported without the key that opens it: export with --keys and decrypt keys, or "
          "leave it out");
    }
    size_ += value.text.size();
    if (value.schema_kind() != kind) {
      return invalid("expected " + std::string(name(kind)) + ", got " + std::string(name(value.schema_kind())));
    }
    if (value.kind == Value::Kind::kText && !is_utf8(value.text)) return invalid("not valid UTF-8");
    if (value.kind == Value::Kind::kReal && !std::isfinite(value.real)) return invalid("the number is not finite");
    return {};
  }

  Result<void> columns(const Event& event) {
    for (size_t i = 0; i < event.custom.size(); ++i) {
      const ColumnInput& column = event.custom[i];
      const codec::ColumnSchema* known = schema_.column(column.name);
      const auto where = [&] { return "custom." + printable(column.name); };
      if (known == nullptr) {
        return invalid(where() + ": unknown column" + nearest(schema_.columns(), column.name) +
                       "; define it with: khipu columns add ROOT " + shell_name(column.name) + " --kind " +
                       std::string(name(column.value.schema_kind())));
      }
      if (repeated(event.custom, i)) return invalid(where() + ": named twice");
      if (auto result = value(column.value, known->kind, known->rule); !result.ok())
        return std::move(result).error().at(where());
    }
    for (const codec::ColumnSchema* column : required_) {
      if (event.occurred_at.value_or(now_) < column->required_since_us) continue;  // late events stay writable
      const bool there = std::any_of(event.custom.begin(), event.custom.end(),
                                     [&](const ColumnInput& input) { return input.name == column->name; });
      if (!there) {
        return invalid("custom." + column->name + ": required since " + format_rfc3339(column->required_since_us));
      }
    }
    return {};
  }

  // Events of one producer name the same few types: the last one found is asked first.
  const codec::TypeSchema* find_type(std::string_view name) {
    if (last_ != nullptr && last_->name == name) return last_;
    if (name.starts_with('@')) return nullptr;  // speaks of events: nothing is one (registry/guard.h)
    const codec::TypeSchema* found = schema_.type(name);
    if (found != nullptr) last_ = found;
    return found;
  }

  template <typename Named>
  static std::string nearest(const std::vector<Named>& known, std::string_view wanted) {
    std::vector<std::string_view> names;
    for (const Named& one : known) names.push_back(one.name);
    return did_you_mean(wanted, names);
  }
  static std::string printable(std::string_view name) {
    return registry::valid_name(name) ? std::string(name) : quoted(name);
  }
  // What a command line in a message may carry: only names that could be defined, never bytes of the input as they are.
  static std::string shell_name(std::string_view name) {
    return registry::valid_name(name) ? std::string(name) : "NAME";
  }

  Error unknown_type(const EntityInput& entity, std::string_view where) const {
    if (entity.type.empty()) return invalid(std::string(where) + ".type: it must not be empty");
    std::string fields;
    for (const FieldInput& field : entity.fields.first(std::min<size_t>(entity.fields.size(), 16))) {
      if (!registry::valid_name(field.name)) continue;
      fields.append(" ").append(field.name).append(":").append(name(field.value.schema_kind()));
    }
    return invalid(std::string(where) + ".type: unknown type " + quoted(entity.type) +
                   nearest(schema_.types(), entity.type) + "; define it with: khipu types add ROOT " +
                   shell_name(entity.type) + fields);
  }

  static Error unknown_field(const codec::TypeSchema& type, const FieldInput& field) {
    return invalid("type '" + type.name + "' has no such field" + nearest(type.fields, field.name) +
                   "; define it with: khipu types add ROOT " + type.name + " " + shell_name(field.name) + ":" +
                   std::string(name(field.value.schema_kind())));
  }

  const registry::Schema& schema_;
  const Limits& limits_;
  const TimeUs now_;
  std::vector<const codec::ColumnSchema*> required_;
  const codec::TypeSchema* last_ = nullptr;
  size_t size_ = 0;
};

Error at_event(Error error, size_t index) { return std::move(error).at("event " + std::to_string(index)); }

Result<void> check_key(const IdempotencyKey& key) {
  if (!key.key.empty() && key.key.size() <= kKeyMax) return {};
  return invalid("idempotency key: " + std::to_string(key.key.size()) + " bytes, it must have 1 to " +
                 std::to_string(kKeyMax));
}

// All but the events themselves.
Result<void> check_batch(const Batch& batch, const Limits& limits) {
  if (batch.events.empty() && batch.statements.empty() && batch.accesses.empty())
    return invalid("the batch holds no events");
  if (batch.events.size() > limits.batch_events_max) {
    return Error{Code::kLimit, "the batch holds " + std::to_string(batch.events.size()) + " events, at most " +
                                   std::to_string(limits.batch_events_max) + " are committed together"};
  }
  for (const codec::Statement& statement : batch.statements) {
    const codec::StatementType type = codec::type_of(statement);
    if (type == codec::StatementType::kType || type == codec::StatementType::kColumn ||
        type == codec::StatementType::kImport) {
      continue;
    }
    return invalid("a producer may state TYPE, COLUMN and IMPORT; " + std::string(codec::name(type)) +
                   " is the writer's to state");
  }
  if (batch.key) KHIPU_TRY(check_key(*batch.key));
  if (!batch.event_keys.empty() && batch.event_keys.size() != batch.events.size()) {
    return invalid("idempotency keys: one for each event, or none");
  }
  for (const IdempotencyKey& key : batch.event_keys) KHIPU_TRY(check_key(key));
  return {};
}

}  // namespace

bool is_ip_address(std::string_view text) {
  char copy[INET6_ADDRSTRLEN + 1];
  if (text.empty() || text.size() >= sizeof copy || text.find('\0') != std::string_view::npos) return false;
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = 0;
  unsigned char address[16];
  const bool six = text.find(':') != std::string_view::npos;
  return inet_pton(six ? AF_INET6 : AF_INET, copy, address) == 1;
}

Result<void> validate(const Event& event, const registry::Schema& schema, const Limits& limits, TimeUs now) {
  return Checker(schema, limits, now).event(event);
}

Result<void> validate(const Batch& batch, const registry::Schema& schema, const Limits& limits, TimeUs now) {
  KHIPU_TRY(check_batch(batch, limits));
  Checker checker(schema, limits, now);
  for (size_t i = 0; i < batch.events.size(); ++i) {
    if (auto result = checker.event(batch.events[i]); !result.ok()) {
      return at_event(std::move(result).error(), i);
    }
  }
  return {};
}

Result<void> validate(const Batch& batch, const registry::Schema& schema, const Limits& limits, TimeUs now,
                      std::vector<std::optional<Error>>& events) {
  KHIPU_TRY(check_batch(batch, limits));
  Checker checker(schema, limits, now);
  events.assign(batch.events.size(), std::nullopt);
  for (size_t i = 0; i < batch.events.size(); ++i) {
    if (auto result = checker.event(batch.events[i]); !result.ok()) events[i] = at_event(std::move(result).error(), i);
  }
  return {};
}

}  // namespace khipu::ingest
