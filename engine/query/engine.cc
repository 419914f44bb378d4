#include "engine/query/engine.h"

#include <algorithm>

#include "engine/base/time.h"
#include "engine/query/facts_cache.h"
#include "engine/query/fields.h"
#include "engine/query/record_reader.h"

namespace khipu::query {
namespace {

constexpr uint32_t kAroundMax = 100;

}  // namespace

Engine::Engine(snapshot::Store& store, Now now, const std::array<uint8_t, 32>& cursor_key, Scope scope,
               std::shared_ptr<const FieldReader> fields, const Masking* masking)
    : store_(store),
      now_(std::move(now)),
      cursor_key_(cursor_key),
      cursors_(cursor_key),
      scope_(scope.is_everything() ? nullptr : std::make_unique<ScopeView>(std::move(scope))),
      fields_(std::move(fields)),
      entities_(scope_.get(), fields_.get(), masking),
      coverage_(scope_ == nullptr),
      facts_(std::make_unique<FactsCache>()) {}
Engine::~Engine() = default;

std::unique_ptr<Engine> Engine::scoped(Scope scope, const Masking* masking) const {
  return std::make_unique<Engine>(store_, now_, cursor_key_, std::move(scope), fields_, masking);
}

bool Engine::can_open() const { return fields_ != nullptr && fields_->can_open(); }

// Out of scope, or unreadable for one whose scope cannot be told: as if it were not there.
Result<bool> Engine::may_see(const snapshot::Snapshot& snapshot, Row seq) const {
  if (scope_ == nullptr) return true;
  KHIPU_TRY_ASSIGN(const snapshot::CheckedRecord record, snapshot.record(TableId::kLogs, seq));
  codec::EventRecord event;
  return record.intact && codec::decode_event(record.payload, event).ok() && scope_->holds(event);
}

Answer<EventDetail> Engine::event(Row seq, uint32_t around, Opens opens) {
  KHIPU_TRY_ASSIGN(const auto snapshot, store_.snapshot());
  EventDetail detail;
  detail.server_time = now_();
  detail.as_of = query::as_of(*snapshot);
  const Row first = first_held(*snapshot);
  const std::string digits = std::to_string(seq.value);
  if (seq.value >= detail.as_of.tree_size) {
    QueryError error("NOT_YET", "seq", digits,
                     detail.as_of.tree_size == 0
                         ? "The log is empty."
                         : "The newest seq is " + std::to_string(detail.as_of.tree_size - 1) + ".");
    return error;
  }
  if (const snapshot::Purge* purge = snapshot->meta().purge_of(TableId::kLogs, seq)) {
    return QueryError("PURGED", "seq", digits,
                      "seq " + digits + " was purged on " + format_rfc3339(purge->at) +
                          " by retention (RETENTION, meta row " + std::to_string(purge->meta_row.value) +
                          "); its leaf hash is still committed. The first seq still held is " +
                          std::to_string(first.value) + ".");
  }
  if (scope_ != nullptr) KHIPU_TRY(scope_->extend(*snapshot));
  KHIPU_TRY_ASSIGN(const bool seen, may_see(*snapshot, seq));
  if (!seen)
    return QueryError("NOT_FOUND", "seq", digits, "No event of this seq lies within what this caller may see.");
  around = std::min(around, kAroundMax);
  Findings findings;
  RecordReader opener(*snapshot, detail.as_of.registry_size, findings, fields_.get(), opens);
  KHIPU_TRY_ASSIGN(detail.event, opener.event(seq));
  RecordReader reader(*snapshot, detail.as_of.registry_size, findings);
  const uint64_t from = std::max(first.value, seq.value - std::min<uint64_t>(seq.value, around));
  const uint64_t to = std::min(detail.as_of.tree_size, seq.value + 1 + around);
  for (uint64_t row = from; row < to; ++row) {
    if (row == seq.value) continue;
    KHIPU_TRY_ASSIGN(const bool near, may_see(*snapshot, {row}));
    if (!near) continue;
    KHIPU_TRY_ASSIGN(std::optional<EventRow> neighbour, reader.event({row}));
    if (neighbour) (row < seq.value ? detail.before : detail.after).push_back(std::move(*neighbour));
  }
  detail.findings = findings.list();
  return detail;
}

Answer<std::vector<FoundEntity>> Engine::find_entities(std::string_view text, bool prefix, uint32_t limit) {
  KHIPU_TRY_ASSIGN(const auto snapshot, store_.snapshot());
  KHIPU_TRY(entities_.extend(*snapshot));
  const uint64_t size = snapshot->size(TableId::kRegistry);
  KHIPU_TRY_ASSIGN(std::vector<FoundEntity> found, entities_.find(*snapshot, size, text, prefix, limit));
  // What is shown was checked (P5): the newest version's record says it again.
  Findings findings;
  RecordReader reader(*snapshot, size, findings);
  std::vector<FoundEntity> checked;
  for (FoundEntity& entity : found) {
    const auto version = reader.version(entity.newest);
    KHIPU_TRY(reader.failed());
    if (!version || version->view.type != entity.type || version->view.id != entity.id) continue;
    entity.name = version->view.name;
    entity.deleted = version->view.deleted;
    checked.push_back(std::move(entity));
  }
  return checked;
}

}  // namespace khipu::query
