// Gives submissions their order: recorded_at, pins, seq, version rows; encodes them. Holds the writer's memory
// of schema, entities and idempotency, and can take a refused submission back without a trace.
// Not here: hashes, files, signatures, threads.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/codec/record.h"
#include "engine/crypto/secret.h"
#include "engine/ingest/event.h"
#include "engine/os/clock.h"
#include "engine/protect/key_log.h"
#include "engine/registry/entities.h"
#include "engine/registry/schema.h"
#include "engine/writer/idempotency.h"
#include "engine/writer/rules.h"
#include "engine/writer/table.h"
#include "engine/writer/writer.h"

namespace khipu::writer {

// What one commit will append, table by table, and what its keys answered.
struct Pending {
  std::array<Rows, kTableCount> rows;
  std::vector<Answered> answered;
  uint64_t events = 0;
  void clear() {
    for (Rows& table : rows) table.clear();
    answered.clear();
    events = 0;
  }
};

// What is wrong with a batch that came with idempotency keys: nothing of it is appended, but what was answered before
// is answered again, whatever the rules are by now.
struct Refused {
  std::optional<Error> batch;                // with a key of its own; its events are not there
  std::vector<std::optional<Error>> events;  // whose events have keys: one for each, or empty
};

// P7, once more: whoever prepared the batch knew the same schema, and nothing comes past here that did not.
Error in_the_clear(const std::string& where);

// Owner: the writer's thread, after replay.
class Sequencer {
 public:
  Sequencer(const crypto::SecretBytes& index_key, os::Clock& clock, os::Random& random, uint64_t entity_seed);

  // ---- replay, in row order, at opening
  Result<codec::StatementRecord> replay_statement(Bytes payload);
  Result<void> replay_version(Row row, Bytes payload);  // nothing when a newer one of its entity is known
  // Entities whose versions need no replay: registry::Entities::add_unread(), and how one is read once it is named.
  void add_entity(std::string_view key, Row entity, Row version) { entities_.add_unread(key, entity, version); }
  using ReadVersion = std::function<Result<Buffer>(Row)>;
  void read_versions_with(ReadVersion read);
  Result<void> replay_event_key(Row row, Bytes payload, CommitNumber commit);
  void start(const std::array<uint64_t, kTableCount>& sizes, TimeUs last_recorded);

  // ---- one commit: begin, then submissions; each is whole in `pending` or not at all
  void begin(CommitNumber commit);
  Result<Receipt> add(const ingest::Batch& batch, Pending& pending, const Refused& refused = {});
  // One row of meta/. TYPE and COLUMN pass the evolution guard and say nothing when they change nothing; RETENTION and
  // HOLD must be allowed by what came before; KEY and SHRED must not contradict it, or no later start could replay
  // them.
  // `changes_rules`, `adds_fields`: ingest::Batch. What is written is the type as a whole.
  Result<void> append_statement(const codec::Statement& statement, Pending& pending, bool changes_rules = false,
                                bool adds_fields = false);

  std::shared_ptr<const registry::Schema> schema() const { return schema_; }
  std::shared_ptr<const Rules> rules() const { return rules_; }
  const std::vector<codec::RecoveryStatement>& recovered() const { return recovered_; }
  const std::optional<codec::Genesis>& genesis() const { return genesis_; }
  const protect::KeyLog& key_log() const { return key_log_; }
  IdempotencyWindow& window() { return window_; }
  TimeUs recorded_at() const { return now_; }  // of the newest rows
  uint64_t entity_count() const { return entities_.count(); }

 private:
  struct Undo;  // what to put back when a submission is refused
  struct Mark;
  void look_ahead(std::span<const ingest::Event> events, size_t at);
  Result<codec::Pin> pin(const ingest::EntityInput& input, TimeUs time, Row seq, Pending& pending, Undo& undo);
  Result<void> merge_fields(const ingest::EntityInput& input, const registry::EntityState* state);
  Result<void> check_protected(const ingest::EntityInput& input) const;
  registry::EntityState state_of(Row row, const codec::VersionRecord& record);
  void encode_state(Row row);
  Result<void> check_required(const ingest::EntityInput& input) const;
  void append_access(codec::AccessRecord record, Pending& pending);
  void append_version(codec::VersionRecord& record, Pending& pending);
  Result<Row> add_event(const ingest::Event& event, const std::optional<codec::IdempotencyMark>& mark, Pending& pending,
                        Undo& undo);
  std::array<uint8_t, 16> keyed_body(const Hash& body) const;
  std::array<uint8_t, 16> keyed(std::string_view label, std::string_view scope, std::string_view key) const;
  Uid next_uid();
  void apply_rules(const codec::Statement& statement);
  Result<void> add_all(const ingest::Batch& batch, const Refused& refused, Pending& pending, Receipt& receipt,
                       Undo& undo);
  void take_back(Undo& undo, const Mark& mark, Pending& pending);

  const crypto::SecretBytes& index_key_;
  os::Clock& clock_;
  os::Random& random_;
  std::shared_ptr<const registry::Schema> schema_;
  std::shared_ptr<const Rules> rules_ = std::make_shared<Rules>();
  protect::KeyLog key_log_;
  protect::KeyLog::Changes key_changes_;  // by the submission under way
  registry::Entities entities_;
  std::array<std::array<uint64_t, 2>, 16> ahead_{};  // of look_ahead(): hashes of names, by the event's index
  IdempotencyWindow window_;
  std::optional<codec::Genesis> genesis_;
  std::vector<codec::RecoveryStatement> recovered_;
  std::array<uint64_t, kTableCount> sizes_{};  // rows, with those of the commit under way
  TimeUs last_recorded_ = INT64_MIN;
  TimeUs now_ = 0;  // recorded_at of the commit under way
  CommitNumber commit_;
  // Scratch that keeps its capacity from event to event.
  codec::EventRecord event_;
  std::vector<codec::NamedValue> fields_;
  Buffer encoded_fields_, state_fields_, protected_;
  std::vector<Uid> uids_;
  size_t uid_next_ = 0;
};

}  // namespace khipu::writer
