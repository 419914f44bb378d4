#include "engine/writer/sequencer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/codec/cbor.h"
#include "engine/codec/frame.h"
#include "engine/codec/statement.h"
#include "engine/crypto/hash.h"
#include "engine/index/format.h"
#include "engine/ingest/near_name.h"
#include "engine/registry/guard.h"

namespace khipu::writer {
namespace {

constexpr size_t kUidsAtOnce = 4096;  // one getrandom call for so many ids

std::array<uint8_t, 16> cut(const Hash& hash) {
  std::array<uint8_t, 16> out;
  std::memcpy(out.data(), hash.data(), out.size());
  return out;
}

// Opens a frame at the end of `rows`: 17 bytes that close_frame() fills once the payload stands behind them.
size_t open_frame(Rows& rows) {
  const size_t start = rows.frames.size();
  rows.frames.resize(start + codec::kFrameHeaderSize);
  return start;
}

void close_frame(Rows& rows, size_t start, codec::RecordKind kind, TimeUs time, TimeUs recorded) {
  const std::span<uint8_t> frame = std::span(rows.frames).subspan(start);
  codec::seal_frame(frame, static_cast<uint8_t>(kind), time);
  rows.add_times(time, recorded);
  rows.starts.push_back(start);
}

}  // namespace

// Everything a refused submission has touched, newest last.
struct Sequencer::Undo {
  struct Change {
    size_t entity = 0;
    std::optional<registry::EntityState> before;  // nullopt: the entity was added
  };
  std::vector<Change> changes;
  size_t keys_added = 0;
  std::shared_ptr<const registry::Schema> schema;
  std::shared_ptr<const Rules> rules;
};

struct Sequencer::Mark {
  struct Table {
    size_t frames, rows;
    TimeUs time_min, time_max, recorded_first, recorded_last;
  };
  std::array<Table, kTableCount> tables;
  std::array<uint64_t, kTableCount> sizes;
  size_t answered;
};

Sequencer::Sequencer(const crypto::SecretBytes& index_key, os::Clock& clock, os::Random& random, uint64_t entity_seed)
    : index_key_(index_key),
      clock_(clock),
      random_(random),
      schema_(std::make_shared<registry::Schema>()),
      entities_(entity_seed) {}

Result<codec::StatementRecord> Sequencer::replay_statement(Bytes payload) {
  KHIPU_TRY_ASSIGN(codec::StatementRecord record, codec::decode_statement(payload));
  if (const auto* genesis = std::get_if<codec::Genesis>(&record.body)) genesis_ = *genesis;
  if (const auto* recovery = std::get_if<codec::RecoveryStatement>(&record.body)) recovered_.push_back(*recovery);
  const auto* type = std::get_if<codec::TypeStatement>(&record.body);
  const auto* column = std::get_if<codec::ColumnStatement>(&record.body);
  apply_rules(record.body);
  KHIPU_TRY(key_log_.apply(record.body));
  if (type == nullptr && column == nullptr) return record;  // TABLE_HEADs are many
  auto next = std::make_shared<registry::Schema>(*schema_);
  if (type != nullptr) next->apply(type->type);
  if (column != nullptr) next->apply(column->column);
  schema_ = std::move(next);
  return record;
}

void Sequencer::apply_rules(const codec::Statement& statement) {
  if (!Rules::concern(statement)) return;
  auto next = std::make_shared<Rules>(*rules_);
  next->apply(statement);
  rules_ = std::move(next);
}

Result<void> Sequencer::replay_version(Row row, Bytes payload) {
  codec::VersionRecord record;
  KHIPU_TRY(codec::decode_version(payload, record));
  const index::Term key = index::name_term(record.type, record.id);
  const registry::Entities::Name name{record.type, record.id, as_text(key.view())};
  KHIPU_TRY_ASSIGN(const std::optional<size_t> known, entities_.find(name));
  if (!known) {
    entities_.add(name, state_of(row, record));
  } else if (entities_.state(*known).version < row) {
    entities_.state(*known) = state_of(row, record);
  }
  return {};
}

registry::EntityState Sequencer::state_of(Row row, const codec::VersionRecord& record) {
  fields_ = record.fields;
  encode_state(row);
  return {record.entity.value_or(row), row, record.version, record.deleted, std::string(as_text(state_fields_))};
}

void Sequencer::read_versions_with(ReadVersion read) {
  entities_.read_with([this, read = std::move(read)](Row row) -> Result<registry::Entities::Read> {
    KHIPU_TRY_ASSIGN(const Buffer payload, at(fmt::format("registry row {}", row.value), read(row)));
    codec::VersionRecord record;
    KHIPU_TRY(at(fmt::format("registry row {}", row.value), codec::decode_version(payload, record)));
    registry::Entities::Read known;
    known.name.append(record.type).append(1, '\0').append(record.id);
    known.state = state_of(row, record);
    return known;
  });
}

Result<void> Sequencer::replay_event_key(Row row, Bytes payload, CommitNumber commit) {
  KHIPU_TRY(codec::decode_event(payload, event_));
  if (event_.idempotency) {
    window_.add({event_.idempotency->key, event_.idempotency->body, row, event_.idempotency->count, event_.recorded_at,
                 commit});
  }
  return {};
}

void Sequencer::start(const std::array<uint64_t, kTableCount>& sizes, TimeUs last_recorded) {
  sizes_ = sizes;
  last_recorded_ = last_recorded;
}

void Sequencer::begin(CommitNumber commit) {
  commit_ = commit;
  now_ = std::max(last_recorded_, clock_.now());
  last_recorded_ = now_;
  window_.trim(now_);
}

Uid Sequencer::next_uid() {
  if (uid_next_ == uids_.size()) {
    uids_.resize(kUidsAtOnce);
    random_.fill({uids_.front().data(), uids_.size() * sizeof(Uid)});
    uid_next_ = 0;
  }
  return uids_[uid_next_++];
}

std::array<uint8_t, 16> Sequencer::keyed(std::string_view label, std::string_view scope, std::string_view key) const {
  return cut(crypto::blake2b_keyed(index_key_.bytes(), label, {as_bytes(scope), as_bytes(key)}));
}

// Bodies hold what records seal: the bare hash of one would confirm a guess at it.
std::array<uint8_t, 16> Sequencer::keyed_body(const Hash& body) const {
  return keyed("idempotency-body", {}, as_text(body));
}

Result<Receipt> Sequencer::add(const ingest::Batch& batch, Pending& pending, const Refused& refused) {
  Mark mark;
  for (size_t i = 0; i < kTableCount; ++i) {
    const Rows& rows = pending.rows[i];
    mark.tables[i] = {rows.frames.size(), rows.starts.size(),  rows.time_min,
                      rows.time_max,      rows.recorded_first, rows.recorded_last};
  }
  mark.sizes = sizes_;
  mark.answered = pending.answered.size();
  key_changes_ = {};
  Undo undo;
  undo.schema = schema_;
  undo.rules = rules_;
  Receipt receipt;
  receipt.commit = commit_;
  Result<void> added = add_all(batch, refused, pending, receipt, undo);
  if (!added.ok()) {
    take_back(undo, mark, pending);
    return std::move(added).error();
  }
  pending.events += receipt.count;
  return receipt;
}

void Sequencer::take_back(Undo& undo, const Mark& mark, Pending& pending) {
  for (auto change = undo.changes.rbegin(); change != undo.changes.rend(); ++change) {
    if (change->before) {
      entities_.state(change->entity) = std::move(*change->before);
    } else {
      entities_.remove_last();
    }
  }
  for (; undo.keys_added > 0; --undo.keys_added) window_.remove_last();
  schema_ = undo.schema;
  rules_ = undo.rules;
  key_log_.take_back(key_changes_);
  sizes_ = mark.sizes;
  pending.answered.resize(mark.answered);
  for (size_t i = 0; i < kTableCount; ++i) {
    Rows& rows = pending.rows[i];
    const Mark::Table& was = mark.tables[i];
    rows.frames.resize(was.frames);
    rows.starts.resize(was.rows);
    rows.time_min = was.time_min, rows.time_max = was.time_max;
    rows.recorded_first = was.recorded_first, rows.recorded_last = was.recorded_last;
  }
}

Result<void> Sequencer::add_all(const ingest::Batch& batch, const Refused& refused, Pending& pending, Receipt& receipt,
                                Undo& undo) {
  if (batch.key && !batch.event_keys.empty()) {
    return Error{Code::kInvalid, "a batch has either one idempotency key or one for each event, not both"};
  }
  std::optional<codec::IdempotencyMark> batch_mark;
  if (batch.key) {
    batch_mark.emplace();
    batch_mark->key = keyed("idempotency-batch", batch.key->scope, batch.key->key);
    batch_mark->body = keyed_body(batch.key->body);
    batch_mark->count = batch.events.size();
    if (const Answered* before = window_.find(batch_mark->key, now_)) {
      if (before->body != batch_mark->body) {
        return Error{Code::kConflict, "this Idempotency-Key was used before with another body; nothing was written"};
      }
      receipt.first_seq = before->first_seq;
      receipt.count = before->count;
      receipt.duplicate = true;
      receipt.commit = before->commit;
      return {};
    }
  }
  if (refused.batch) return *refused.batch;
  for (const codec::Statement& statement : batch.statements) {
    KHIPU_TRY(append_statement(statement, pending, batch.changes_rules, batch.adds_fields));
  }
  for (const codec::AccessRecord& access : batch.accesses) append_access(access, pending);
  receipt.first_seq = {sizes_[index_of(TableId::kLogs)]};
  receipt.count = batch.events.size();
  const bool keyed_events = !batch.event_keys.empty();
  if (keyed_events) {
    KHIPU_ASSERT(batch.event_keys.size() == batch.events.size());
    receipt.seqs.reserve(batch.events.size());
  }
  // Without events the key stands in no record, and is known for as long as the writer and its cache are there.
  if (batch_mark && batch.events.empty() && !batch.statements.empty()) {
    const Answered answered{batch_mark->key, batch_mark->body, receipt.first_seq, 0, now_, commit_};
    window_.add(answered);
    ++undo.keys_added;
    pending.answered.push_back(answered);
  }
  bool added = false;
  CommitNumber repeated;  // the newest commit of those that hold what was there already
  for (size_t i = 0; i < batch.events.size(); ++i) {
    look_ahead(batch.events, i);
    std::optional<codec::IdempotencyMark> event_mark;
    if (i == 0 && batch_mark) event_mark = batch_mark;
    if (keyed_events) {
      const ingest::IdempotencyKey& key = batch.event_keys[i];
      event_mark = codec::IdempotencyMark{keyed("idempotency-event", key.scope, key.key), keyed_body(key.body), 1};
      if (const Answered* before = window_.find(event_mark->key, now_)) {
        if (before->body != event_mark->body) {
          return Error{Code::kConflict,
                       fmt::format("event {}: its event_id was used before by this source with another body; "
                                   "nothing of the batch was written",
                                   i)};
        }
        receipt.seqs.push_back(before->first_seq);
        repeated = std::max(repeated, before->commit);
        continue;
      }
    }
    if (!refused.events.empty() && refused.events[i]) return *refused.events[i];
    Result<Row> seq = add_event(batch.events[i], event_mark, pending, undo);
    if (!seq.ok()) return std::move(seq).error().at(fmt::format("event {}", i));
    added = true;
    if (keyed_events) receipt.seqs.push_back(seq.value());
    if (event_mark) {
      const Answered answered{event_mark->key, event_mark->body, seq.value(), event_mark->count, now_, commit_};
      window_.add(answered);
      ++undo.keys_added;
      pending.answered.push_back(answered);
    }
  }
  receipt.duplicate = !batch.events.empty() && !added;
  if (receipt.duplicate && batch.statements.empty() && batch.accesses.empty()) receipt.commit = repeated;
  if (keyed_events && !receipt.seqs.empty()) receipt.first_seq = receipt.seqs.front();
  return {};
}

// Most of what naming an entity costs is waiting for memory: a commit names thousands out of millions. So, in front of
// the event at hand, the actors and first targets of some later ones take one step each towards the processor.
void Sequencer::look_ahead(std::span<const ingest::Event> events, size_t at) {
  using Step = registry::Entities::Step;
  constexpr size_t kBetween = 2;  // events between two steps
  const auto step = [&](size_t events_ahead, Step towards) {
    const size_t index = at + events_ahead;
    if (index >= events.size()) return;
    std::array<uint64_t, 2>& hashes = ahead_[index % ahead_.size()];
    const ingest::Event& event = events[index];
    if (towards == Step::kSlot) {
      const auto hash = [&](const ingest::EntityInput& entity) {
        const bool is_short = entity.type.size() + entity.id.size() < index::kTextKeySizeMax;  // others cost a SHA-256
        return is_short ? entities_.hash_of(as_text(index::name_term(entity.type, entity.id).view())) : 0;
      };
      hashes = {hash(event.actor), event.targets.empty() ? 0 : hash(event.targets.front())};
    } else if (index < kBetween * 4) {
      return;  // nobody looked that far ahead: the batch began here
    }
    entities_.bring_near(hashes[0], towards);
    if (!event.targets.empty()) entities_.bring_near(hashes[1], towards);
  };
  step(kBetween * 4, Step::kSlot);
  step(kBetween * 3, Step::kEntry);
  step(kBetween * 2, Step::kRead);
  step(kBetween, Step::kTexts);
}

Result<void> Sequencer::append_statement(const codec::Statement& given, Pending& pending, bool changes_rules,
                                         bool adds_fields) {
  KHIPU_TRY(rules_->check(given));
  codec::StatementRecord record{{}, now_, given};
  if (auto* type = std::get_if<codec::TypeStatement>(&record.body)) {
    KHIPU_TRY_ASSIGN(type->type, registry::as_defined(*schema_, std::move(type->type), changes_rules, adds_fields));
    const codec::TypeSchema* known = schema_->type(type->type.name);
    if (known && *known == type->type) return {};  // says nothing new
    Result<void> allowed = registry::check_type(*schema_, type->type);
    if (!allowed.ok() && allowed.error().code == Code::kConflict && !entities_.holds_type(type->type.name)) {
      allowed = registry::check_unused_type(*schema_, type->type);
    }
    KHIPU_TRY(std::move(allowed));
    auto next = std::make_shared<registry::Schema>(*schema_);
    next->apply(type->type);
    schema_ = std::move(next);
  } else if (auto* column = std::get_if<codec::ColumnStatement>(&record.body)) {
    const codec::ColumnSchema* known = schema_->column(std::string_view(column->column.name));
    column->column.id = known ? known->id : static_cast<uint32_t>(schema_->columns().size() + 1);
    if (known && *known == column->column) return {};
    KHIPU_TRY(registry::check_column(*schema_, column->column));
    auto next = std::make_shared<registry::Schema>(*schema_);
    next->apply(column->column);
    schema_ = std::move(next);
  }
  if (auto* import = std::get_if<codec::Import>(&record.body)) {
    if (import->stored > 0) import->first_seq = Row{sizes_[index_of(TableId::kLogs)]};  // its batch's events follow
    if (import->keyed) import->prefix_sha256 = crypto::keyed_input_hash(index_key_.bytes(), import->prefix_sha256);
  }
  if (const Result<void> fits = key_log_.apply(record.body, &key_changes_); !fits.ok()) {
    return Error{Code::kConflict, fits.error().message + "; nothing was written"};
  }
  apply_rules(record.body);
  record.uid = next_uid();
  Rows& rows = pending.rows[index_of(TableId::kMeta)];
  const size_t start = open_frame(rows);
  codec::encode_statement(rows.frames, record);
  close_frame(rows, start, codec::RecordKind::kStatement, now_, now_);
  ++sizes_[index_of(TableId::kMeta)];
  return {};
}

Result<Row> Sequencer::add_event(const ingest::Event& input, const std::optional<codec::IdempotencyMark>& mark,
                                 Pending& pending, Undo& undo) {
  const Row seq{sizes_[index_of(TableId::kLogs)]};
  event_.uid = input.uid != nullptr ? *input.uid : next_uid();
  event_.recorded_at = now_;
  event_.occurred_at = input.occurred_at.value_or(now_);
  KHIPU_TRY_ASSIGN(event_.actor, at("actor", pin(input.actor, event_.occurred_at, seq, pending, undo)));
  event_.targets.clear();
  for (const ingest::EntityInput& target : input.targets) {
    KHIPU_TRY_ASSIGN(const codec::Pin pinned, at("targets", pin(target, event_.occurred_at, seq, pending, undo)));
    event_.targets.push_back(pinned);
  }
  event_.on_behalf_of.reset();
  if (input.on_behalf_of) {
    KHIPU_TRY_ASSIGN(event_.on_behalf_of,
                     at("on_behalf_of", pin(*input.on_behalf_of, event_.occurred_at, seq, pending, undo)));
  }
  event_.action = input.action;
  event_.action_class = input.action_class;
  event_.outcome = input.outcome;
  event_.url = input.url;
  event_.source = input.source;
  event_.source_ip = input.source_ip;
  event_.event_id = input.event_id;
  event_.session = input.session;
  event_.content_kind = input.content_kind;
  event_.content = input.content;
  event_.sealed = input.sealed;
  const bool in_clear = !input.source_ip.empty() || input.content_kind != codec::ContentKind::kNone;
  if (in_clear && registry::seals_content(*schema_)) return in_the_clear("content");
  event_.custom.clear();
  for (const ingest::ColumnInput& column : input.custom) {
    const codec::ColumnSchema* known = schema_->column(column.name);
    if (!known) return Error{Code::kInvalid, fmt::format("custom.{}: no such column", column.name)};
    if (known->rule.none() == column.value.is_protected()) return in_the_clear("custom." + known->name);
    event_.custom.push_back({known->id, column.value});
  }
  std::sort(event_.custom.begin(), event_.custom.end(),
            [](const codec::ColumnValue& a, const codec::ColumnValue& b) { return a.column < b.column; });
  event_.idempotency = mark;

  Rows& rows = pending.rows[index_of(TableId::kLogs)];
  const size_t start = open_frame(rows);
  codec::encode_event(rows.frames, event_);
  if (rows.frames.size() - start > codec::kFrameHeaderSize + codec::kPayloadSizeBytesMax) {
    return Error{Code::kLimit, "the event is larger than 16 MiB"};  // take_back() cuts the frame away
  }
  close_frame(rows, start, codec::RecordKind::kEvent, event_.occurred_at, now_);
  ++sizes_[index_of(TableId::kLogs)];
  return seq;
}

Result<codec::Pin> Sequencer::pin(const ingest::EntityInput& input, TimeUs time, Row seq, Pending& pending,
                                  Undo& undo) {
  const index::Term key = index::name_term(input.type, input.id);
  const registry::Entities::Name name{input.type, input.id, as_text(key.view())};
  KHIPU_TRY_ASSIGN(const std::optional<size_t> known, entities_.find(name));
  registry::EntityState* const state = known ? &entities_.state(*known) : nullptr;
  // The common case: who is named is known and nothing is said of it that could change it.
  if (state && input.fields.empty() && (state->deleted ? !input.revives : !input.deleted)) {
    return codec::Pin{state->entity, state->version};
  }
  if (schema_->protects()) KHIPU_TRY(check_protected(input));
  if (input.deleted) {
    if (!state) {
      return Error{Code::kInvalid, fmt::format("{}: {} is not registered, so it cannot be deleted", input.type,
                                               ingest::quoted(input.id))};
    }
    KHIPU_TRY(merge_fields(input, state));  // what the entity was stays readable in the version that deletes it
  } else {
    KHIPU_TRY(merge_fields(input, state && !state->deleted ? state : nullptr));
    if (state && !state->deleted && as_text(encoded_fields_) == state->fields) {
      return codec::Pin{state->entity, state->version};  // identical fields make no version
    }
    KHIPU_TRY(check_required(input));
  }
  const Row row{sizes_[index_of(TableId::kRegistry)]};
  codec::VersionRecord record;
  if (input.uid != nullptr) record.uid = *input.uid;
  record.time = time;
  record.type = input.type;
  record.id = input.id;
  record.deleted = input.deleted;
  record.seq = seq;
  record.fields = fields_;
  encode_state(row);
  registry::EntityState next{row, row, 0, input.deleted, std::string(as_text(state_fields_))};
  if (state) {
    record.entity = next.entity = state->entity;
    record.version = next.version_number = state->version_number + 1;
    record.previous = state->version;
  }
  if (input.uid == nullptr) record.uid = next_uid();
  append_version(record, pending);  // first: fields_ views into what the next lines replace
  const Row entity = next.entity;
  if (state) {
    undo.changes.push_back({*known, std::exchange(*state, std::move(next))});
  } else {
    undo.changes.push_back({entities_.add(name, std::move(next)), std::nullopt});
  }
  return codec::Pin{entity, row};
}

void Sequencer::append_access(codec::AccessRecord record, Pending& pending) {
  record.uid = next_uid();
  record.recorded_at = now_;
  Rows& rows = pending.rows[index_of(TableId::kAccess)];
  const size_t start = open_frame(rows);
  codec::encode_access(rows.frames, record);
  close_frame(rows, start, codec::RecordKind::kAccess, record.time, now_);
  ++sizes_[index_of(TableId::kAccess)];
}

void Sequencer::append_version(codec::VersionRecord& record, Pending& pending) {
  record.recorded_at = now_;
  Rows& rows = pending.rows[index_of(TableId::kRegistry)];
  const size_t start = open_frame(rows);
  codec::encode_version(rows.frames, record);
  close_frame(rows, start, codec::RecordKind::kVersion, record.time, now_);
  ++sizes_[index_of(TableId::kRegistry)];
}

}  // namespace khipu::writer
