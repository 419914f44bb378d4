#include "engine/snapshot/meta_state.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/time.h"
#include "engine/index/format.h"

namespace khipu::snapshot {
namespace {

// The part to change: this state's own, copied first when another state shares it.
template <typename T>
T& own(std::shared_ptr<const T>& part) {
  if (part.use_count() != 1) part = std::make_shared<T>(*part);
  return const_cast<T&>(*part);  // made as a T, and nobody else holds it
}

}  // namespace

Result<void> MetaState::append(const codec::Frame& frame) {
  const Row row{rows()};
  const Result<codec::StatementRecord> statement = codec::decode_statement(frame.payload);
  Result<void> applied = statement.ok() ? apply(row, *statement) : Result<void>(statement.error());
  if (!applied.ok()) return std::move(applied).error().at(fmt::format("row {}", row.value));
  tree_.append(tree::leaf_hash(frame.payload));
  return {};
}

Result<void> MetaState::apply(Row row, const codec::StatementRecord& statement) {
  const codec::StatementType kind = codec::type_of(statement.body);
  ++counts_[static_cast<size_t>(kind)];
  if (const auto* index = std::get_if<codec::IndexStatement>(&statement.body)) {
    apply(*index);
    return {};
  }
  if (kind == codec::StatementType::kTableHead || kind == codec::StatementType::kHeartbeat) return {};
  own(statements_).push_back(statement);
  if (const auto* genesis = std::get_if<codec::Genesis>(&statement.body)) {
    if (!genesis_) genesis_ = std::make_shared<codec::Genesis>(*genesis);
  } else if (const auto* type = std::get_if<codec::TypeStatement>(&statement.body)) {
    own(schema_).apply(type->type);
  } else if (const auto* column = std::get_if<codec::ColumnStatement>(&statement.body)) {
    own(schema_).apply(column->column);
  } else if (const auto* retention = std::get_if<codec::Retention>(&statement.body)) {
    if (retention->from != retained(retention->table) || retention->to <= retention->from) {
      return Error{Code::kCorrupt,
                   fmt::format("RETENTION of {} rows [{}, {}) does not go on at row {}", table_name(retention->table),
                               retention->from.value, retention->to.value, retained(retention->table).value)};
    }
    own(purges_[index_of(retention->table)])
        .push_back({retention->table, retention->from, retention->to, retention->first_segment, retention->last_segment,
                    retention->recorded_first, retention->recorded_last, statement.recorded_at, row,
                    retention->policy});
  } else if (const auto* hold = std::get_if<codec::Hold>(&statement.body)) {
    if (hold->set) {
      own(holds_)[hold->name] = {hold->name, hold->reason, hold->by, statement.recorded_at, row};
    } else {
      own(holds_).erase(hold->name);
    }
  } else if (const auto* rollback = std::get_if<codec::Rollback>(&statement.body)) {
    own(rollbacks_).push_back({rollback->lost_commit, rollback->reason, rollback->by, statement.recorded_at, row});
  } else if (const auto* clock = std::get_if<codec::Clock>(&statement.body)) {
    clock_step_.reset();
    if (clock->event == codec::ClockEvent::kStepped)
      clock_step_ = ClockStep{clock->step_us, statement.recorded_at, row};
  }
  return {};
}

void MetaState::apply(const codec::IndexStatement& index) {
  if (const auto number = index::parse_index_name(index.file)) {
    const Segment segment(index.table, *number);
    own(indexes_)[segment] = index;
    if (runs_->contains(segment)) own(runs_).erase(segment);
  } else if (const auto merged = index::parse_merged_name(index.file); merged) {
    own(merged_)[{index.table, merged->first, merged->last}] = index;
  } else if (const auto run = index::parse_run_name(index.file)) {
    const Segment segment(index.table, run->segment);
    if (indexes_->contains(segment)) return;
    std::vector<codec::IndexStatement>& runs = own(runs_)[segment];
    if (run->run < runs.size()) {
      runs[run->run] = index;
    } else if (run->run == runs.size()) {
      runs.push_back(index);
    }
  }
}

const codec::IndexStatement* MetaState::index_statement(TableId table, SegmentNumber number) const {
  const auto found = indexes_->find({table, number});
  return found == indexes_->end() ? nullptr : &found->second;
}

const codec::IndexStatement* MetaState::merged_statement(TableId table, const index::MergedName& name) const {
  const auto found = merged_->find({table, name.first, name.last});
  return found == merged_->end() ? nullptr : &found->second;
}

std::span<const codec::IndexStatement> MetaState::runs(TableId table, SegmentNumber number) const {
  const auto found = runs_->find({table, number});
  return found == runs_->end() ? std::span<const codec::IndexStatement>() : std::span(found->second);
}

const Purge* MetaState::purge_of(TableId table, Row row) const {
  const std::vector<Purge>& all = purges(table);
  const auto after =
      std::upper_bound(all.begin(), all.end(), row, [](Row wanted, const Purge& purge) { return wanted < purge.to; });
  return after == all.end() || row < after->from ? nullptr : &*after;
}

Error purged_error(const Purge& purge) {
  return {Code::kPurged,
          fmt::format("{} rows {} to {} are not retained since {} (RETENTION, meta row {})", table_name(purge.table),
                      purge.from.value, purge.to.value - 1, format_rfc3339(purge.at), purge.meta_row.value)};
}

}  // namespace khipu::snapshot
