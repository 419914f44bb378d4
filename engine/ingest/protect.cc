#include "engine/ingest/protect.h"

#include <algorithm>

#include "engine/codec/cbor.h"
#include "engine/codec/protected.h"
#include "engine/ingest/near_name.h"
#include "engine/registry/guard.h"

namespace khipu::ingest {
namespace {

const codec::FieldSchema* protected_field(const registry::Schema& schema, const EntityInput& entity,
                                          const FieldInput& field) {
  if (field.remove) return nullptr;
  const codec::FieldSchema* known = schema.field(entity.type, field.name);
  return known != nullptr && !known->rule.none() ? known : nullptr;
}

const codec::ColumnSchema* protected_column(const registry::Schema& schema, const ColumnInput& column) {
  const codec::ColumnSchema* known = schema.column(column.name);
  return known != nullptr && !known->rule.none() ? known : nullptr;
}

bool holds_protected(const EntityInput& entity, const registry::Schema& schema) {
  return std::any_of(entity.fields.begin(), entity.fields.end(),
                     [&](const FieldInput& field) { return protected_field(schema, entity, field) != nullptr; });
}

bool holds_protected(const Event& event, const registry::Schema& schema) {
  const auto entity = [&](const EntityInput& one) { return holds_protected(one, schema); };
  return entity(event.actor) || std::any_of(event.targets.begin(), event.targets.end(), entity) ||
         (event.on_behalf_of && entity(*event.on_behalf_of)) ||
         std::any_of(event.custom.begin(), event.custom.end(),
                     [&](const ColumnInput& column) { return protected_column(schema, column) != nullptr; });
}

// Has what is sealed with the fields of its event, or always where the schema says so.
bool says_something(const Event& event) {
  return event.content_kind != codec::ContentKind::kNone || !event.source_ip.empty();
}

class Work {
 public:
  Work(Batch& batch, const registry::Schema& schema, const RootId& root, protect::Sealer& sealer, os::Random& random)
      : batch_(batch),
        schema_(schema),
        root_(root),
        sealer_(sealer),
        random_(random),
        seal_content_(batch.seal_content || registry::seals_content(schema)) {}

  Result<void> event(Event& event) {
    const bool any = holds_protected(event, schema_);
    if (!any && !(seal_content_ && says_something(event))) return {};
    if (any) {
      if (holds_protected(event.actor, schema_)) KHIPU_TRY(at("actor", entity(event.actor)));
      const auto is_protected = [&](const EntityInput& one) { return holds_protected(one, schema_); };
      if (std::any_of(event.targets.begin(), event.targets.end(), is_protected)) {
        std::vector<EntityInput> targets(event.targets.begin(), event.targets.end());
        for (EntityInput& target : targets) {
          if (is_protected(target)) KHIPU_TRY(at("targets", entity(target)));
        }
        event.targets = batch_.keep(std::span<const EntityInput>(targets));
      }
      if (event.on_behalf_of && is_protected(*event.on_behalf_of)) {
        KHIPU_TRY(at("on_behalf_of", entity(*event.on_behalf_of)));
      }
    }
    const Uid uid = next_uid();
    KHIPU_TRY(columns(event, uid));
    KHIPU_TRY(at("content", content(event, uid)));
    event.uid = keep_uid(uid);
    return {};
  }

 private:
  Uid next_uid() {
    if (uids_left_ == 0) {
      random_.fill({uids_.front().data(), sizeof uids_});
      uids_left_ = uids_.size();
    }
    return uids_[--uids_left_];
  }
  const Uid* keep_uid(const Uid& uid) { return batch_.keep(std::span<const Uid>(&uid, 1)).data(); }

  // Of an entity with at least one protected field.
  Result<void> entity(EntityInput& entity) {
    const Uid uid = next_uid();
    fields_.assign(entity.fields.begin(), entity.fields.end());
    for (FieldInput& field : fields_) {
      const codec::FieldSchema* known = protected_field(schema_, entity, field);
      if (known == nullptr) continue;
      const protect::FieldPlace place{root_, {entity.type, known->name}, entity.id, known->kind, uid};
      std::optional<protect::SubjectName> subject;
      if (known->rule.subject) subject = {std::string(entity.type), std::string(entity.id)};
      Result<codec::Value> made = value(place, known->rule, field.value, subject ? &*subject : nullptr, true);
      if (!made.ok()) return std::move(made).error().at("fields." + known->name);
      field.value = *made;
    }
    entity.fields = batch_.keep(std::span<const FieldInput>(fields_));
    entity.uid = keep_uid(uid);
    return {};
  }

  Result<void> columns(Event& event, const Uid& uid) {
    const auto is_protected = [&](const ColumnInput& column) { return protected_column(schema_, column) != nullptr; };
    if (!std::any_of(event.custom.begin(), event.custom.end(), is_protected)) return {};
    std::vector<ColumnInput> columns(event.custom.begin(), event.custom.end());
    for (ColumnInput& column : columns) {
      const codec::ColumnSchema* known = protected_column(schema_, column);
      if (known == nullptr) continue;
      const protect::FieldPlace place{root_, {protect::kColumnType, known->name}, {}, known->kind, uid};
      Result<codec::Value> made = value(place, known->rule, column.value, nullptr, false);
      if (!made.ok()) return std::move(made).error().at("custom." + known->name);
      column.value = *made;
    }
    event.custom = batch_.keep(std::span<const ColumnInput>(columns));
    return {};
  }

  // What was said of a person in a field was said in the verbatim text as well.
  Result<void> content(Event& event, const Uid& uid) {
    using codec::SealedContent;
    const bool has_content = event.content_kind != codec::ContentKind::kNone;
    if (!has_content && event.source_ip.empty()) return {};
    uint8_t members = event.source_ip.empty() ? 0 : SealedContent::kSourceIp;
    const bool json = event.content_kind == codec::ContentKind::kJson;
    if (has_content) members = static_cast<uint8_t>(members | (json ? SealedContent::kJson : SealedContent::kText));
    plain_.clear();
    {
      codec::CborWriter out(plain_);
      out.map(uint64_t{!event.source_ip.empty()} + uint64_t{has_content});
      if (!event.source_ip.empty()) {
        out.unsigned_integer(11);
        out.text(event.source_ip);
      }
      if (has_content) {
        out.unsigned_integer(json ? 16 : 15);
        out.bytes(event.content);
      }
    }
    const protect::FieldPlace place{root_, {protect::kEventType, "content"}, {}, codec::ValueKind::kText, uid};
    sealed_.clear();
    KHIPU_TRY(sealer_.seal(place, plain_, nullptr, sealed_));
    event.sealed = {members, batch_.keep(Bytes(sealed_))};
    event.source_ip = {};
    event.content_kind = codec::ContentKind::kNone;
    event.content = {};
    return {};
  }

  Result<codec::Value> value(const protect::FieldPlace& place, const codec::Rule& rule, const codec::Value& value,
                             const protect::SubjectName* subject, bool of_version) {
    const std::string_view text = codec::plaintext_of(value, digits_);
    codec::ProtectedValue made;
    made.kind = rule.protection;
    sealed_.clear();
    if (rule.protection == codec::Protection::kSealed) {
      KHIPU_TRY(sealer_.seal(place, as_bytes(text), subject, sealed_));
    } else {
      KHIPU_TRY_ASSIGN(const auto digest, sealer_.digest(place.name, place.kind, as_bytes(text)));
      append(sealed_, digest);
    }
    made.value = sealed_;
    if (of_version) {
      KHIPU_TRY_ASSIGN(made.fingerprint, sealer_.fingerprint(place.name, place.entity_id, place.kind, as_bytes(text)));
    }
    tokens_.clear();
    std::array<size_t, codec::kIndexesMax + 1> starts{};
    for (const codec::IndexRule& index : rule.indexes) {
      KHIPU_TRY(sealer_.tokens(place.name, {index.kind, index.size}, text, tokens_));
      const size_t from = starts[made.indexes];
      if (tokens_.size() - from > codec::kTokensMax) {
        return Error{Code::kLimit, "the value is too long for its index " + text_of(index) + ": at most " +
                                       std::to_string(codec::kTokensMax) + " tokens"};
      }
      starts[++made.indexes] = tokens_.size();
    }
    for (size_t i = 0; i < made.indexes; ++i) {
      const size_t count = starts[i + 1] - starts[i];
      made.tokens[i] = {reinterpret_cast<const uint8_t*>(tokens_.data() + starts[i]), count * sizeof(codec::Token)};
    }
    encoded_.clear();
    codec::append_protected(encoded_, made);
    return codec::Value::of_protected(batch_.keep(Bytes(encoded_)));
  }

  Batch& batch_;
  const registry::Schema& schema_;
  const RootId& root_;
  protect::Sealer& sealer_;
  os::Random& random_;
  const bool seal_content_;
  std::array<Uid, 64> uids_{};
  size_t uids_left_ = 0;
  // Scratch that keeps its capacity from value to value.
  std::vector<FieldInput> fields_;
  Buffer plain_, sealed_, encoded_;
  std::string digits_;
  std::vector<protect::Token> tokens_;
};

}  // namespace

bool holds_protected(const Batch& batch, const registry::Schema& schema) {
  if (batch.seal_content && !batch.events.empty()) return true;
  if (!schema.protects()) return false;
  if (registry::seals_content(schema) && std::any_of(batch.events.begin(), batch.events.end(), says_something)) {
    return true;
  }
  return std::any_of(batch.events.begin(), batch.events.end(),
                     [&](const Event& event) { return holds_protected(event, schema); });
}

Result<void> protect(Batch& batch, const registry::Schema& schema, const RootId& root, protect::Sealer& sealer,
                     os::Random& random) {
  Work work(batch, schema, root, sealer, random);
  for (size_t i = 0; i < batch.events.size(); ++i) {
    Result<void> done = work.event(batch.events[i]);
    if (!done.ok()) return std::move(done).error().at("event " + std::to_string(i));
  }
  return {};
}

}  // namespace khipu::ingest
