#include "engine/writer/retainer.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/crypto/hash.h"
#include "engine/index/merged.h"
#include "engine/os/lock_file.h"
#include "engine/segment/level_files.h"
#include "engine/writer/table.h"

namespace khipu::writer {
namespace {

constexpr int64_t kLookUs = 50000;  // at the reader slots, while waiting

}  // namespace

struct Retainer::Doomed {
  TableId table = TableId::kLogs;
  std::vector<os::Entry> files;    // segments, oldest first
  std::vector<os::Entry> indexes;  // theirs
  bool empty() const { return files.empty() && indexes.empty(); }
};

Result<std::unique_ptr<Retainer>> Retainer::open(std::unique_ptr<os::Directory> root, Writer& writer, os::Clock& clock,
                                                 RetainerOptions options) {
  std::unique_ptr<Retainer> retainer(new Retainer(writer, clock, std::move(options)));
  KHIPU_TRY_ASSIGN(retainer->store_, snapshot::Store::open(std::move(root)));
  return retainer;
}

Result<retention::Plan> Retainer::plan(TableId table, const retention::Policy& policy) {
  KHIPU_TRY_ASSIGN(const auto snapshot, store_->snapshot());
  return retention::make_plan(policy, retention::look(*snapshot, table, clock_.now()));
}

Result<Retainer::Decision> Retainer::decide(TableId table, const retention::Policy& policy, const std::string& by) {
  const std::lock_guard hold(deciding_);
  // The writer looks at the wall clock when it publishes: if it was stepped, the statement that suspends retention by
  // age is in what we look at next.
  KHIPU_TRY(writer_.publish());
  Decision decision;
  codec::Retention statement;
  {
    KHIPU_TRY_ASSIGN(const auto snapshot, store_->snapshot());  // its reader slot is free again before the sweep
    decision.plan = retention::make_plan(policy, retention::look(*snapshot, table, clock_.now()));
    if (decision.plan.empty()) return decision;
    KHIPU_TRY_ASSIGN(statement, at("retention", statement_for(*snapshot, decision.plan)));
  }
  statement.by = by;
  KHIPU_TRY_ASSIGN(decision.commit, writer_.append_and_publish(std::move(statement)));
  return decision;
}

// Every record that is to leave is read once more and compared with its leaf under the signed root: what retention
// removes cannot be examined afterwards, so damage stays until somebody has looked at it.
Result<codec::Retention> Retainer::statement_for(const snapshot::Snapshot& snapshot, const retention::Plan& plan) {
  codec::Retention statement;
  statement.table = plan.table;
  statement.from = plan.from();
  statement.to = plan.to();
  statement.policy = retention::text(plan.policy);
  statement.first_segment = plan.going.front().segment.number;
  const snapshot::SegmentInfo& last = plan.going.back().segment;
  statement.last_segment = last.number;
  statement.commit = last.commit;
  statement.commit_hash = last.commit_hash;
  statement.recorded_first = plan.going.front().segment.recorded_first;
  statement.recorded_last = last.recorded_last;
  KHIPU_TRY_ASSIGN(auto directory, store_->root().open_directory(table_name(plan.table)));
  KHIPU_TRY_ASSIGN(segment::LevelFiles levels, segment::LevelFiles::open(*directory, false));
  LevelSource source(levels);
  KHIPU_TRY_ASSIGN(std::optional<tree::Checker> checker,
                   tree::Checker::open(snapshot.size(plan.table), snapshot.root(plan.table), source));
  const auto damaged = [&](Row row, std::string_view what) {
    return Error{Code::kCorrupt, fmt::format("{} row {}: {}; nothing was removed: run `khipu verify`",
                                             table_name(plan.table), row.value, what)};
  };
  // The plan has a segment's age from the manifest, which nobody signs: a record must not go for being older than it
  // is.
  size_t at = 0;
  const auto as_planned = [&](const snapshot::ScannedRow& row) -> Result<void> {
    const auto end = [&] { return plan.going[at].segment.first_row.value + plan.going[at].segment.rows; };
    while (row.row.value >= end()) ++at;
    const snapshot::SegmentInfo& segment = plan.going[at].segment;
    KHIPU_TRY_ASSIGN(const codec::FrameFacts facts, codec::frame_facts(row.frame.payload));
    const bool newest = row.row.value + 1 == end();
    if (facts.recorded_at < segment.recorded_first || facts.recorded_at > segment.recorded_last ||
        (newest && facts.recorded_at != segment.recorded_last)) {
      return damaged(row.row, "the manifest has another time for it (manifest-mismatch)");
    }
    return {};
  };
  if (!checker) return damaged(statement.from, "the tree files do not make the signed root");
  crypto::Sha256 tree_bytes;
  Result<void> outcome;
  Row next = statement.from;
  KHIPU_TRY(snapshot.scan(plan.table, statement.from, statement.to, snapshot::Order::kAscending,
                          [&](const snapshot::ScannedRow& row) {
                            if (row.fault != codec::FrameFault::kNone) {
                              outcome = damaged(row.row, "the record is damaged or missing");
                              return false;
                            }
                            const Hash leaf = tree::leaf_hash(row.frame.payload);
                            const Result<bool> same = checker->check(row.row.value, leaf, source);
                            if (!same.ok()) {
                              outcome = same.error();
                            } else if (!*same) {
                              outcome = damaged(row.row, "the record does not match its leaf");
                            }
                            if (outcome.ok()) outcome = as_planned(row);
                            tree_bytes.update(leaf);
                            next = row.row.next();
                            return outcome.ok();
                          }));
  KHIPU_TRY(std::move(outcome));
  KHIPU_ASSERT(next == statement.to);
  statement.tree_sha256 = tree_bytes.finish();
  return statement;
}

// Files of segments that committed RETENTION statements cover.
Result<std::vector<Retainer::Doomed>> Retainer::doomed() {
  KHIPU_TRY_ASSIGN(const auto snapshot, store_->snapshot());
  std::vector<Doomed> all;
  for (const TableId table : {TableId::kLogs, TableId::kAccess}) {
    const std::vector<snapshot::Purge>& purges = snapshot->meta().purges(table);
    if (purges.empty()) continue;
    Doomed doomed;
    doomed.table = table;
    KHIPU_TRY_ASSIGN(auto directory, store_->root().open_directory(table_name(table)));
    KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, directory->list());
    for (const os::Entry& entry : entries) {
      const std::optional<SegmentNumber> number = segment::parse_segment_name(entry.name);
      if (number && *number <= purges.back().last_segment) doomed.files.push_back(entry);
      const std::optional<SegmentNumber> indexed = index::parse_index_name(entry.name);
      const std::optional<index::RunName> run = index::parse_run_name(entry.name);
      const bool index_gone = indexed && *indexed <= purges.back().last_segment;
      const std::optional<index::MergedName> merged = index::parse_merged_name(entry.name);
      const bool merged_gone = table == TableId::kLogs && merged &&
                               merged->first <= purges.back().last_segment;  // of what stays, the parts do
      if (index_gone || merged_gone || (run && run->segment <= purges.back().last_segment))
        doomed.indexes.push_back(entry);
    }
    if (!doomed.empty()) all.push_back(std::move(doomed));
  }
  return all;
}

Result<void> Retainer::sync_trees(TableId table) {
  KHIPU_TRY_ASSIGN(auto directory, store_->root().open_directory(table_name(table)));
  KHIPU_TRY_ASSIGN(auto tree, directory->open_directory(segment::kTreeName));
  for (size_t level = 0; level < segment::kLevelFileCount; ++level) {
    auto file = tree->open_file(segment::level_name(level), os::Mode::kReadWrite);
    if (!file.ok() && file.error().code == Code::kNotFound) break;  // no hash of this level yet
    if (!file.ok()) return std::move(file).error();
    KHIPU_TRY(file.value()->sync_data());
  }
  return tree->sync();
}

// Until every slot but the one of `epoch` is free. False: told to stop.
Result<bool> Retainer::wait_for_readers(Epoch epoch, Swept& swept) {
  for (int64_t waited = 0;; waited += kLookUs) {
    bool held = false;
    for (uint64_t step = 1; step < os::kReaderSlotCount && !held; ++step) {
      KHIPU_TRY_ASSIGN(held, os::reader_slot_held(store_->root(), {epoch.value + step}));
    }
    if (!held) return true;
    if (waited >= wait_us_) {
      swept.waited_out = true;
      return true;
    }
    if (!options_.pause(kLookUs)) return false;
  }
}

Result<Retainer::Swept> Retainer::sweep() {
  const std::lock_guard hold(sweeping_);
  Swept swept;
  KHIPU_TRY_ASSIGN(const std::vector<Doomed> all, doomed());
  if (all.empty()) return swept;
  KHIPU_TRY(writer_.publish());  // a statement that an interrupted run committed may not be in a checkpoint yet
  for (const Doomed& one : all) KHIPU_TRY(at("retention", sync_trees(one.table)));
  KHIPU_TRY_ASSIGN(const Epoch epoch, writer_.raise_epoch());
  KHIPU_TRY_ASSIGN(const bool free, wait_for_readers(epoch, swept));
  swept.stopped = !free;
  if (swept.stopped) return swept;
  for (const Doomed& one : all) {
    KHIPU_TRY_ASSIGN(auto directory, store_->root().open_directory(table_name(one.table)));
    for (const os::Entry& file : one.files) {
      KHIPU_TRY(directory->unlink(file.name));
      ++swept.segments;
      swept.bytes += file.size;
    }
    for (const os::Entry& file : one.indexes) {
      KHIPU_TRY(directory->unlink(file.name));
      swept.bytes += file.size;
    }
    KHIPU_TRY(directory->sync());
  }
  return swept;
}

}  // namespace khipu::writer
