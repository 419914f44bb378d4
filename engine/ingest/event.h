// What a producer hands in: an event before it is sequenced, and the batch that keeps its bytes alive.
// Not here: JSON (engine/import), pins, seq and recorded_at (engine/writer).
#pragma once

#include <cstdint>
#include <memory>
#include <memory_resource>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/codec/access.h"
#include "engine/codec/record.h"
#include "engine/codec/statement.h"

namespace khipu::ingest {

struct FieldInput {
  std::string_view name;
  bool remove = false;  // JSON null: the field is taken away from the entity
  codec::Value value;
};

// A reference to an entity, with the fields the producer knows. Fields are merged over the current version: a field not
// named stays as it was. A reference without fields to a deleted entity pins the deleted version; with fields it
// revives the entity, starting from these fields alone, as `revives` does also without any. `deleted` appends a version
// marked deleted (fields must be empty, and `revives` false).
struct EntityInput {
  std::string_view type;
  std::string_view id;
  std::span<const FieldInput> fields;
  bool deleted = false;
  bool revives = false;      // JSON "deleted": false; nothing of an entity that is there
  const Uid* uid = nullptr;  // from protect.h: a version made of these fields bears it, for they were sealed for it
};

struct ColumnInput {
  std::string_view name;
  codec::Value value;
};

// One key answers one event or one batch, once: the same key with the same body returns what was answered before, with
// another body it is kConflict. `scope` keeps producers apart (token name or uid).
struct IdempotencyKey {
  std::string scope;
  std::string key;  // 1 to 256 bytes
  Hash body{};      // SHA-256 of the body as received
};

// Views borrow from the Batch that holds the event.
struct Event {
  std::optional<TimeUs> occurred_at;  // absent: recorded_at
  EntityInput actor;
  std::string_view action;
  codec::ActionClass action_class = codec::ActionClass::kOther;
  codec::Outcome outcome = codec::Outcome::kUnknown;
  std::span<const EntityInput> targets;
  std::string_view url;
  std::string_view source;
  std::string_view source_ip;
  std::string_view event_id;
  std::string_view session;
  std::optional<EntityInput> on_behalf_of;
  codec::ContentKind content_kind = codec::ContentKind::kNone;
  Bytes content;  // verbatim; JSON content is one valid JSON text
  std::span<const ColumnInput> custom;
  const Uid* uid = nullptr;     // from protect.h, as with entities
  codec::SealedContent sealed;  // from protect.h: content and source_ip, which are empty then
};

// Events that are committed together: all or none, with consecutive seqs. Owns every byte its events view.
// Owner: one thread at a time (handed to the writer by move).
class Batch {
 public:
  Batch() : arena_(std::make_unique<std::pmr::monotonic_buffer_resource>(1 << 16)) {}

  std::string_view keep(std::string_view text) {
    if (text.empty()) return {};
    char* to = static_cast<char*>(arena_->allocate(text.size(), 1));
    std::memcpy(to, text.data(), text.size());
    return {to, text.size()};
  }
  Bytes keep(Bytes bytes) { return as_bytes(keep(as_text(bytes))); }
  template <typename T>
  std::span<const T> keep(std::span<const T> items) {  // T trivially copyable
    static_assert(std::is_trivially_copyable_v<T>);
    if (items.empty()) return {};
    T* to = static_cast<T*>(arena_->allocate(items.size() * sizeof(T), alignof(T)));
    std::memcpy(static_cast<void*>(to), items.data(), items.size() * sizeof(T));
    return {to, items.size()};
  }
  // Keeps a whole input text (an NDJSON body) so that events may view into it; at most one per batch.
  std::string_view adopt(std::string text) {
    text_ = std::make_unique<std::string>(std::move(text));
    return *text_;
  }

  std::vector<Event> events;
  std::optional<IdempotencyKey> key;          // for the batch as a whole
  std::vector<IdempotencyKey> event_keys;     // one an event, or empty
  std::vector<codec::Statement> statements;   // TYPE, COLUMN, IMPORT: committed in the same commit, before events
  std::vector<codec::AccessRecord> accesses;  // reads to record; uid and recorded_at are the writer's to give
  bool seal_content = false;                  // what was made of the events' content is protected, so the content is
  bool changes_rules = false;                 // TYPE statements may change the rules of fields that are there (guard.h)
  bool adds_fields = false;                   // TYPE statements name what they are about: other fields stay as they are

 private:
  std::unique_ptr<std::pmr::monotonic_buffer_resource> arena_;
  std::unique_ptr<std::string> text_;
};

// Bounds on one event and one batch; settings (`khipu serve --config`) may lower or raise them within the maximum.
struct Limits {
  uint32_t event_size_bytes_max = 1U << 20;  // content and all texts of one event together; at most 15 MiB
  uint32_t targets_max = 256;
  uint32_t fields_max = 256;             // of one entity
  uint32_t id_size_bytes_max = 1024;     // entity ids
  uint32_t text_size_bytes_max = 65536;  // url; other short members 4096
  uint32_t batch_events_max = 10000;
  int64_t future_us_max = 10LL * 60 * 1000000;  // how far occurred_at may lie ahead of the writer's clock
};

}  // namespace khipu::ingest
