// The range and the sample mode: some rows of logs/, each leaf to the signed root of the newest commit through the tree
// files. Nothing else is read but the tree's path, HEAD, GENESIS and the newest commit.
#include <fmt/format.h>

#include <algorithm>

#include "engine/base/system_error.h"
#include "engine/crypto/hash.h"
#include "engine/tree/tree.h"
#include "engine/verify/published.h"
#include "engine/verify/retained.h"
#include "engine/verify/run.h"
#include "engine/verify/signed_tree.h"
#include "engine/verify/spot.h"

namespace khipu::verify {
namespace {

// The commit HEAD names, read and checked, or nullopt with a finding.
Result<std::optional<codec::CommitRecord>> newest_commit(Run& run, os::Directory& logs) {
  const segment::Head& head = *run.head.newest;
  Finding found;
  found.code = code::kHeadInconsistent;
  found.rank = Rank::kHead;
  found.table = TableId::kLogs;
  found.segment = head.commit_segment;
  found.file = segment_path(TableId::kLogs, head.commit_segment);
  found.offset = head.commit_offset;
  found.commit = head.commit;
  found.detail = "HEAD names a commit that is not there";
  auto file = logs.open_file(segment::segment_name(head.commit_segment), os::Mode::kRead);
  if (!file.ok() && file.error().code != Code::kNotFound) return std::move(file).error();
  if (file.ok()) {
    KHIPU_TRY_ASSIGN(const uint64_t size, file.value()->size());
    segment::Reader reader(**file, head.commit_offset, size);
    KHIPU_TRY_ASSIGN(const segment::Step step, reader.next());
    if (step.kind == segment::Step::Kind::kFrame) {
      const Result<codec::CommitRecord> commit = codec::decode_commit(step.frame.payload);
      if (commit.ok() && crypto::sha256(step.frame.payload) == head.commit_hash) {
        ++run.report.checked.signatures;
        ++run.report.checked.commits;
        if (commit->key_id == run.key.id &&
            crypto::verify(run.key.key, commit->signature,
                           codec::commit_signed_bytes(run.key.root_id, step.frame.payload))) {
          run.report.commit = commit->number;
          run.report.commit_time = commit->time;
          run.report.commit_hash = head.commit_hash;
          for (const TableId id : kTables) {
            run.report.sizes[index_of(id)] = commit->tables[index_of(id)].size;
            run.report.roots[index_of(id)] = commit->tables[index_of(id)].root;
          }
          return std::optional(*commit);
        }
        found.code = code::kSigBad;
        found.rank = Rank::kTable;
        found.detail = "the newest commit's signature does not verify";
      }
    }
  }
  run.findings.add(std::move(found));
  return std::optional<codec::CommitRecord>();
}

class RowRange {
 public:
  RowRange(Run& run, TablePlan plan, Row from, Row to)
      : run_(run), plan_(std::move(plan)), from_(from), to_(to), next_(from.value) {}

  Result<void> go(const codec::TableState& state) {
    if (from_ == to_) return {};
    KHIPU_TRY_ASSIGN(std::optional<SignedTree> tree, SignedTree::open(*plan_.directory, state));
    if (!tree) {
      run_.findings.add(not_adding_up(TableId::kLogs, from_, state));
      return {};
    }
    Entities none;  // of whose rows none is known: each pin is told once a segment
    none.start_at(Row{UINT64_MAX});
    const ReadEntities entities(none);
    const SegmentContext context{*plan_.directory, run_.key, &entities, nullptr,
                                 nullptr,          nullptr,  nullptr,   run_.control};
    for (const SegmentJob& job : plan_.jobs) {
      const uint64_t first = job.first_row.value_or(Row{}).value;
      const uint64_t rows = job.sealed ? (job.entry ? job.entry->footer.rows : UINT64_MAX - first) : UINT64_MAX - first;
      if (first >= to_.value || first + rows <= from_.value) continue;
      Result<SegmentFacts> facts = judge_gone(plan_, job, check_segment(context, job));
      if (!facts.ok()) {
        run_.unreadable(facts.error());
        continue;
      }
      if (facts->stopped) {
        run_.incomplete = true;
        run_.report.not_checked.emplace_back("the rest: cancelled or out of time");
        return {};
      }
      if (facts->there) ++run_.report.checked.segments;
      if (facts->let_go) run_.incomplete = true;  // also one that went since the folder was listed
      run_.findings.merge(std::move(facts->findings));
      for (const OldPin& old : facts->old_pins) {
        const uint64_t row = facts->first_row.value + old.row;
        if (row < to_.value) pins.emplace_back(old.pin, row);
      }
      KHIPU_TRY(check_rows(*facts, *tree));
    }
    if (next_ < to_.value && !run_.findings.any_break() && !run_.incomplete) {
      Finding found;
      found.code = code::kRowGap;
      found.table = TableId::kLogs;
      found.row = Row{next_};
      found.row_end = to_;
      found.detail = "rows the signed root covers are not there";
      run_.findings.add(std::move(found));
    }
    return {};
  }

  std::vector<std::pair<codec::Pin, uint64_t>> pins;  // of the segments that were read, up to the last row

 private:
  Result<void> check_rows(const SegmentFacts& facts, SignedTree& tree) {
    const uint64_t end = std::min(to_.value, facts.first_row.value + facts.leaves.size());
    for (uint64_t row = std::max(from_.value, facts.first_row.value); row < end; ++row) {
      const uint64_t index = row - facts.first_row.value;
      next_ = row + 1;
      if (facts.offsets[index] == kNoOffset) continue;  // reported already
      KHIPU_TRY_ASSIGN(const bool good, tree.check(row, facts.leaves[index]));
      ++run_.report.checked.records;
      if (good) continue;
      const bool record = !facts.states.empty() && facts.states[index] == RowState::kDiffers;
      Finding found;
      found.code = record ? code::kLeafMismatch : code::kTileMismatch;
      found.table = TableId::kLogs;
      found.segment = facts.number;
      found.row = Row{row};
      found.file = record ? segment_path(TableId::kLogs, facts.number) : "logs/tree/0";
      found.offset = record ? facts.offsets[index] : row * sizeof(Hash);
      found.commit = run_.report.commit;
      found.detail = record ? "the record is not the one that the signed root stands for"
                            : "the tree files do not lead from this record to the signed root";
      if (row > 0) found.last_good = {Row{row - 1}, std::nullopt};
      found.likely = record ? "rewriting" : "";
      run_.findings.add(std::move(found));
    }
    return {};
  }

  Run& run_;
  TablePlan plan_;
  Row from_, to_;
  uint64_t next_;  // that no segment has shown yet
};

constexpr const char* kNotLookedAt = "the commits before the newest, meta/, and of registry/ all but what these pin";

Result<void> check_range(Run& run, TablePlan plan, const codec::CommitRecord& commit) {
  const codec::TableState& state = commit.tables[index_of(TableId::kLogs)];
  const Row from = run.options.from_row.value_or(Row{});
  const Row to = run.options.to_row.value_or(Row{state.size});
  if (from.value > state.size) {
    return Error{Code::kInvalid,
                 fmt::format("rows from {} on are not within the log, which has {} events", from.value, state.size)};
  }
  if (from > to) {
    return Error{Code::kInvalid, fmt::format("rows {}:{}: the first is behind the last", from.value, to.value)};
  }
  if (to.value > state.size) {
    return Error{Code::kInvalid, fmt::format("rows {}:{} are not within the log, which has {} events", from.value,
                                             to.value, state.size)};
  }
  run.report.from_row = from;
  run.report.to_row = to;
  for (const SegmentJob& job : plan.jobs) {
    if (!job.let_go || job.file_size || !job.entry) continue;
    const uint64_t first = job.entry->footer.first_row.value, end = first + job.entry->footer.rows;
    if (from < to && first < to.value && from.value < end) run.incomplete = true;
  }
  run.control.set_total(plan.bytes);
  run.report.not_checked.push_back(std::string("events outside the range, ") + kNotLookedAt);
  RowRange range(run, std::move(plan), from, to);
  KHIPU_TRY(range.go(state));
  return check_pinned(run, commit.tables[index_of(TableId::kRegistry)], range.pins);
}

Result<void> check_sample(Run& run, const TablePlan& plan, const codec::CommitRecord& commit) {
  const codec::TableState& state = commit.tables[index_of(TableId::kLogs)];
  run.control.set_total(plan.bytes);
  run.report.not_checked.push_back(std::string("events that were not drawn, ") + kNotLookedAt);
  const std::vector<uint64_t> rows = draw(*run.options.sample, state.size, *run.report.seed);
  std::vector<std::pair<codec::Pin, uint64_t>> pins;
  codec::EventRecord event;
  const auto take = [&](const WalkedRow& at) {
    if (!codec::decode_event(at.frame->payload, event).ok()) return;
    pins.emplace_back(event.actor, at.row.value);
    for (const codec::Pin& target : event.targets) pins.emplace_back(target, at.row.value);
    if (event.on_behalf_of) pins.emplace_back(*event.on_behalf_of, at.row.value);
  };
  const uint64_t breaks_before = run.findings.count();
  KHIPU_TRY_ASSIGN(run.report.checked.records,
                   check_rows(run, plan, {state, run.report.commit}, rows, run.findings, {}, take));
  if (run.findings.count() == breaks_before && !run.control.stopped()) {
    run.report.checked.not_retained = rows.size() - run.report.checked.records;
    if (run.report.checked.not_retained > 0 && run.report.checked.records == 0) run.incomplete = true;
  }
  KHIPU_TRY(check_pinned(run, commit.tables[index_of(TableId::kRegistry)], pins));
  if (!run.control.stopped()) return {};
  run.incomplete = true;
  run.report.not_checked.emplace_back("the rest of the sample: cancelled or out of time");
  return {};
}

// The HOLDs and the RETENTION statements of logs/, each at its row in meta/, and of the latter the leaves. In the place
// of any other statement stands an empty one.
struct RetentionRows {
  std::vector<codec::StatementRecord> statements;
  std::vector<uint64_t> rows;
  std::vector<Hash> leaves;
};
Result<RetentionRows> read_retentions(const TablePlan& meta) {
  RetentionRows out;
  for (const SegmentJob& job : meta.jobs) {
    if (!meta.directory || !job.file_size) continue;
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::File> file,
                     meta.directory->open_file(segment::segment_name(job.number), os::Mode::kRead));
    segment::Reader reader(*file, segment::kHeaderSize, std::min(*job.file_size, job.end_max));
    for (;;) {
      KHIPU_TRY_ASSIGN(const segment::Step step, reader.next());
      if (step.kind != segment::Step::Kind::kFrame) break;
      if (!codec::is_row(step.frame.kind)) continue;
      out.statements.emplace_back();
      Result<codec::StatementRecord> record = codec::decode_statement(step.frame.payload);
      const auto* retention = record.ok() ? std::get_if<codec::Retention>(&record->body) : nullptr;
      const bool mine = retention != nullptr && retention->table == TableId::kLogs;
      if (mine) {
        out.rows.push_back(out.statements.size() - 1);
        out.leaves.push_back(tree::leaf_hash(step.frame.payload));
      }
      if (mine || (record.ok() && std::holds_alternative<codec::Hold>(record->body))) {
        out.statements.back() = std::move(record).value();
      }
    }
  }
  return out;
}

// Those of the RETENTION statements that the signed root of meta/ does not stand for. The tree files lead there or not.
Result<std::vector<uint64_t>> unsigned_of(const RetentionRows& retentions, const TablePlan& meta,
                                          const codec::TableState& state) {
  std::vector<uint64_t> wrong;
  if (retentions.rows.empty()) return wrong;
  KHIPU_TRY_ASSIGN(std::optional<SignedTree> tree, SignedTree::open(*meta.directory, state));
  for (size_t i = 0; i < retentions.rows.size(); ++i) {
    const uint64_t row = retentions.rows[i];
    if (row >= state.size) continue;  // above the line: judge_missing() says so
    bool good = false;
    if (tree) {
      KHIPU_TRY_ASSIGN(good, tree->check(row, retentions.leaves[i]));
    }
    if (amiss(!good)) wrong.push_back(row);
  }
  return wrong;
}

// Rows whose segments are gone, or may go while a writer runs: a RETENTION in meta/ says why, each against the signed
// root.
Result<void> explain_missing(Run& run, TablePlan& logs, const codec::CommitRecord& commit) {
  if (logs.missing.empty() && !run.head.writer_running) return {};
  const codec::TableState& state = commit.tables[index_of(TableId::kMeta)];
  KHIPU_TRY_ASSIGN(const TablePlan meta, plan_table(run.root, TableId::kMeta, run.head, run.findings));
  KHIPU_TRY_ASSIGN(RetentionRows retentions, read_retentions(meta));
  KHIPU_TRY_ASSIGN(const std::vector<uint64_t> forged, unsigned_of(retentions, meta, state));
  for (const uint64_t row : forged) {
    Finding found;
    found.code = code::kRetentionUnauthorised;
    found.table = TableId::kMeta;
    found.row = Row{row};
    found.file = table_name(TableId::kMeta);
    found.commit = commit.number;
    found.detail = "a RETENTION that the signed root of meta/ does not stand for";
    run.findings.add(std::move(found));
    retentions.statements[row] = {};
  }
  std::array<TablePlan, kTableCount> plans;
  for (const TableId id : kTables) plans[index_of(id)].id = id;
  TablePlan& mine = plans[index_of(TableId::kLogs)];
  std::swap(mine, logs);
  const Retained retained(retentions.statements, plans, run.findings);
  retained.judge_missing(mine, state.size, run.findings);
  std::swap(mine, logs);
  for (SegmentJob& job : logs.jobs) {
    const LetGo* const item = retained.covering(TableId::kLogs, job.number);
    job.let_go = item != nullptr && item->meta_row < state.size;
    if (!job.let_go || job.file_size || !job.entry) continue;
    run.report.not_checked.push_back(fmt::format("events {} to {}: not retained", job.entry->footer.first_row.value,
                                                 job.entry->footer.first_row.value + job.entry->footer.rows - 1));
  }
  return {};
}

}  // namespace

static Result<void> check_some_rows(Run& run) {
  if (!run.head.newest) {
    run.incomplete = true;
    run.report.not_checked.emplace_back("the rows: HEAD names no commit to check them against; verify the whole log");
    return {};
  }
  KHIPU_TRY_ASSIGN(TablePlan plan, plan_table(run.root, TableId::kLogs, run.head, run.findings));
  if (!plan.directory) return {};
  KHIPU_TRY_ASSIGN(const std::optional<codec::CommitRecord> commit, newest_commit(run, *plan.directory));
  if (!commit) return {};
  KHIPU_TRY(check_head_covers(run));
  KHIPU_TRY(explain_missing(run, plan, *commit));
  KHIPU_TRY(run.options.sample ? check_sample(run, plan, *commit) : check_range(run, std::move(plan), *commit));
  if (run.heads.empty()) return {};
  for (const TableId id : kTables) {
    auto directory = run.root.open_directory(table_name(id));
    if (!directory.ok() && directory.error().code != Code::kNotFound) return std::move(directory).error();
    KHIPU_TRY(check_heads(run, id, directory.ok() ? directory->get() : nullptr, commit->tables[index_of(id)],
                          [](uint64_t) { return std::nullopt; }));
  }
  return {};
}

Result<void> run_rows(Run& run) {
  const Result<void> checked = check_some_rows(run);
  const bool said = checked.ok() || (!of_system(checked.error()) && checked.error().code != Code::kPurged);
  if (said) return checked;
  run.unreadable(checked.error());
  return {};
}

}  // namespace khipu::verify
