// What readers need of meta/, up to some size: schema, what retention let go, holds, rollbacks, how many statements of
// each kind, and the statements that are made now and then. Not those that come all the time: a busy root gets
// TABLE_HEADs every second for years. The next snapshot's state is this one with the rows that came since; parts that
// no new row changes are shared, not copied.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/codec/frame.h"
#include "engine/codec/statement.h"
#include "engine/index/merged.h"
#include "engine/registry/schema.h"
#include "engine/tree/tree.h"

namespace khipu::snapshot {

// Rows whose payloads one RETENTION statement let go. Their leaf hashes stay committed.
struct Purge {
  TableId table = TableId::kLogs;
  Row from, to;  // rows [from, to)
  SegmentNumber first_segment, last_segment;
  TimeUs recorded_first = 0, recorded_last = 0;  // recorded_at of the first and last row
  TimeUs at = 0;                                 // when it was decided
  Row meta_row;                                  // the statement's
  std::string policy;
};
// A hold that is set.
struct HoldFacts {
  std::string name, reason, by;
  TimeUs since = 0;
  Row meta_row;
};
// An older copy that an operator accepted.
struct RollbackFacts {
  CommitNumber lost_commit;
  std::string reason, by;
  TimeUs at = 0;
  Row meta_row;
};
// The wall clock moved against boot time, and nobody has cleared it: retention by age is suspended.
struct ClockStep {
  int64_t step_us = 0;
  TimeUs at = 0;
  Row meta_row;
};

inline constexpr size_t kStatementTypeCount = 15;  // by their number; 0 is none

// A value; immutable once shared.
class MetaState {
 public:
  // The next row. kCorrupt when it is not a sound statement, or a RETENTION does not go on where the one before it
  // ended (overlap is refused).
  Result<void> append(const codec::Frame& frame);

  uint64_t rows() const { return tree_.size(); }
  Hash root() const { return tree_.root(); }  // of exactly these rows
  const codec::Genesis* genesis() const { return genesis_.get(); }
  const registry::Schema& schema() const { return *schema_; }
  // In order, all but TABLE_HEAD, INDEX and HEARTBEAT.
  const std::vector<codec::StatementRecord>& statements() const { return *statements_; }
  uint64_t count(codec::StatementType type) const { return counts_[static_cast<size_t>(type)]; }

  // Oldest first, each going on where the one before it ended.
  const std::vector<Purge>& purges(TableId table) const { return *purges_[index_of(table)]; }
  // Rows below it are not retained.
  Row retained(TableId table) const { return purges(table).empty() ? Row{0} : purges(table).back().to; }
  const Purge* purge_of(TableId table, Row row) const;  // nullptr: not purged
  const std::map<std::string, HoldFacts>& holds() const { return *holds_; }
  const std::vector<RollbackFacts>& rollbacks() const { return *rollbacks_; }
  const std::optional<ClockStep>& clock_step() const { return clock_step_; }
  // The newest INDEX statement about that segment; nullptr: none.
  const codec::IndexStatement* index_statement(TableId table, SegmentNumber number) const;
  // The newest INDEX statement about that merged file; nullptr: none.
  const codec::IndexStatement* merged_statement(TableId table, const index::MergedName& name) const;
  bool has_merged() const { return !merged_->empty(); }
  // Of a segment without one, those about its runs, in order.
  std::span<const codec::IndexStatement> runs(TableId table, SegmentNumber number) const;

 private:
  template <typename T>
  using Shared = std::shared_ptr<const T>;
  Result<void> apply(Row row, const codec::StatementRecord& statement);

  tree::Builder tree_;
  Shared<codec::Genesis> genesis_;
  Shared<std::vector<codec::StatementRecord>> statements_ = std::make_shared<std::vector<codec::StatementRecord>>();
  Shared<registry::Schema> schema_ = std::make_shared<registry::Schema>();
  std::array<Shared<std::vector<Purge>>, kTableCount> purges_ = {
      std::make_shared<std::vector<Purge>>(), std::make_shared<std::vector<Purge>>(),
      std::make_shared<std::vector<Purge>>(), std::make_shared<std::vector<Purge>>()};
  Shared<std::map<std::string, HoldFacts>> holds_ = std::make_shared<std::map<std::string, HoldFacts>>();
  Shared<std::vector<RollbackFacts>> rollbacks_ = std::make_shared<std::vector<RollbackFacts>>();
  std::optional<ClockStep> clock_step_;
  void apply(const codec::IndexStatement& index);
  using Segment = std::pair<TableId, SegmentNumber>;
  using Indexes = std::map<Segment, codec::IndexStatement>;
  using Runs = std::map<Segment, std::vector<codec::IndexStatement>>;
  Shared<Indexes> indexes_ = std::make_shared<Indexes>();
  using Merged = std::map<std::tuple<TableId, SegmentNumber, SegmentNumber>, codec::IndexStatement>;
  Shared<Merged> merged_ = std::make_shared<Merged>();
  Shared<Runs> runs_ = std::make_shared<Runs>();
  std::array<uint64_t, kStatementTypeCount> counts_{};
};

// "logs rows 0 to 99 are not retained since 2026-06-15T05:07:07.123456Z (RETENTION, meta row 17)", as kPurged.
Error purged_error(const Purge& purge);

}  // namespace khipu::snapshot
