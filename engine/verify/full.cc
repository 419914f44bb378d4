// Everything, or what is new since a state: meta/, then registry/, access/ and logs/ with the commit chain through all.
#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "engine/index/format.h"
#include "engine/verify/builders.h"
#include "engine/verify/index_check.h"
#include "engine/verify/key_files.h"
#include "engine/verify/published.h"
#include "engine/verify/retained.h"
#include "engine/verify/run.h"
#include "engine/verify/since.h"
#include "engine/verify/spine.h"
#include "engine/verify/trusted_places.h"

namespace khipu::verify {
namespace {

class Full {
 public:
  explicit Full(Run& run, const State* since) : run_(run), since_(since), positions_(since) {}
  // False: the log does not go on from the state; nothing was read.
  Result<bool> go();

 private:
  Result<bool> plan();
  Result<bool> read_meta();
  Result<void> finish_reading();
  Result<void> hold_against_heads();
  void take_line();
  SegmentContext context_of(TableId id);
  Result<void> read_rows();
  Result<bool> take(TableId id, const SegmentJob& job, Result<SegmentFacts> facts);
  bool go_on(Result<bool> taken);
  Result<void> take_logs(SegmentFacts facts);
  void take_versions(const SegmentFacts& facts);
  void note_tails();
  void settle_pending();

  size_t threads() const { return threads_of(run_.options); }
  TablePlan& plan_of(TableId id) { return plans_[index_of(id)]; }
  TableTrail& trail(TableId id) { return *trails_[index_of(id)]; }

  Run& run_;
  const State* since_;
  Positions positions_;
  Plans plans_;
  std::array<std::vector<SegmentJob>, kTableCount> jobs_;  // what of the plan is read
  Trails trails_;
  std::optional<Chain> chain_;
  Entities entities_;
  ReadEntities entities_read_;
  std::vector<std::pair<uint64_t, const char*>> version_faults_;
  std::vector<codec::StatementRecord> statements_;
  Row meta_gap_{UINT64_MAX};  // from here on statements_ does not go by row: this one of meta/ has none
  std::optional<Retained> retained_;
  Published published_;
  std::vector<std::string> types_;
  IndexPlan index_plan_;
  Result<void> failed_;  // where in_order() ended
  Leftovers leftovers_;
  Builders builders_{leftovers_};
  std::map<std::pair<TableId, SegmentNumber>, Result<Findings>> runs_;  // checked beside the reading
  std::vector<Finding> pending_;
  struct Active {
    SegmentNumber number;
    uint64_t first_row = 0, rows = 0, file_size = 0, end_max = UINT64_MAX;
    std::vector<uint64_t> offsets;
    uint64_t end_offset = 0;
  };
  std::array<std::optional<Active>, kTableCount> active_;
  std::array<std::optional<TimeUs>, kTableCount> recorded_;
  std::array<bool, kTableCount> unreadable_{};
};

Result<bool> Full::plan() {
  for (const TableId id : kTables) {
    Result<TablePlan> plan = plan_table(run_.root, id, run_.head, run_.findings);
    if (!plan.ok()) {
      run_.unreadable(plan.error());
      plans_[index_of(id)].id = id;
    } else {
      plans_[index_of(id)] = std::move(plan).value();
    }
    unreadable_[index_of(id)] = !plan_of(id).directory;
    trails_[index_of(id)] =
        std::make_unique<TableTrail>(id, plan_of(id).directory.get(), plan_of(id).tree_synced, run_.findings);
  }
  chain_.emplace(run_.head, trails_, entities_, run_.findings);
  for (const OutsideHead& head : run_.heads) trail(head.table).want(head.size);
  if (Result<Published> published = read_published(run_); published.ok()) {
    published_ = std::move(published).value();
  } else {
    run_.unreadable(published.error());
  }
  for (const PublishedNote& note : published_.notes) trail(note.table).want(note.checkpoint.size);
  for (const TableId id : kTables) {
    for (const segment::ManifestEntry& entry : plan_of(id).manifest) {
      trail(id).want(entry.footer.first_row.value + entry.footer.rows);
    }
  }
  if (since_ != nullptr) {
    KHIPU_TRY_ASSIGN(const bool goes_on, resume(run_, *since_, plans_, trails_));
    if (!goes_on) return false;
    chain_->resume(*since_);
    entities_.start_at(Row{since_->tables[index_of(TableId::kRegistry)].size});
  }
  uint64_t bytes = 0;
  for (const TableId id : kTables) {
    const TablePosition* at = since_ == nullptr || id == TableId::kMeta ? nullptr : &since_->tables[index_of(id)];
    for (SegmentJob job : plan_of(id).jobs) {
      if (at != nullptr && job.number < at->segment) continue;
      if (at != nullptr && job.number == at->segment && at->offset > segment::kHeaderSize) job.resume = at;
      bytes += std::min(job.file_size.value_or(0), job.end_max) - (job.resume == nullptr ? 0 : at->offset);
      jobs_[index_of(id)].push_back(std::move(job));
    }
    if (at != nullptr && at->size > 0) recorded_[index_of(id)] = at->recorded_last;
  }
  run_.control.set_total(bytes);
  return true;
}

void Full::take_versions(const SegmentFacts& facts) {
  for (const VersionFacts& version : facts.versions) {
    const uint64_t row = entities_.rows();
    const char* wrong = entities_.append(version);
    if (wrong != nullptr && !unreadable_[index_of(TableId::kRegistry)]) {
      if (version_faults_.size() < kFindingsMax) version_faults_.emplace_back(row, wrong);
    }
  }
}

Result<void> Full::take_logs(SegmentFacts facts) {
  const std::vector<CommitAt> commits = std::move(facts.commits);
  const std::vector<CommitAt> tail = std::move(facts.tail_commits);
  SegmentFacts rest;
  rest.number = facts.number;
  rest.sealed = facts.sealed;
  rest.first_row = facts.first_row;
  rest.offsets = facts.offsets;
  trail(TableId::kLogs).push(std::move(facts));
  KHIPU_TRY(chain_->walk(commits, rest));
  if (!tail.empty()) chain_->see_tail(tail, rest);
  return {};
}

// False: stop.
Result<bool> Full::take(TableId id, const SegmentJob& job, Result<SegmentFacts> result) {
  if (!result.ok()) {
    run_.unreadable(result.error());
    unreadable_[index_of(id)] = true;
    if (id == TableId::kLogs) chain_->skip_unreadable();
    trail(id).push_unreadable(job.first_row.value_or(Row{}), job.entry ? job.entry->footer.rows : job.solid_rows);
    return true;
  }
  SegmentFacts facts = std::move(result).value();
  if (facts.stopped) return false;
  run_.findings.merge(std::move(facts.findings));
  std::move(facts.pending.begin(), facts.pending.end(), std::back_inserter(pending_));
  facts.pending.clear();
  std::optional<TimeUs>& recorded = recorded_[index_of(id)];
  if (recorded && facts.recorded_first && *facts.recorded_first < *recorded) {
    Finding found;
    found.code = code::kTimeBackwards;
    found.table = id;
    found.segment = facts.number;
    found.file = segment_path(id, facts.number);
    found.row = facts.first_row;
    found.expected = fmt::format("at least {}", *recorded);
    found.actual = std::to_string(*facts.recorded_first);
    found.detail = "recorded_at is before that of the segment in front";
    if (facts.sealed) {
      run_.findings.add(std::move(found));
    } else {
      pending_.push_back(std::move(found));
    }
  }
  if (facts.recorded_last) recorded = facts.recorded_last;
  if (facts.sealed && facts.footer) chain_->expect(id, facts.number, facts.footer_offset, *facts.footer);
  if (facts.let_go && id == TableId::kLogs && job.entry) {
    chain_->let_go(job.number, job.entry->footer.commit, job.entry->footer.commit_hash);
  }
  if (facts.there) {
    ++run_.report.checked.segments;
    run_.report.checked.bytes += facts.file_size;
  }
  run_.report.checked.references += facts.references;
  positions_.see(id, facts, job);
  for (const OldPin& old : facts.old_pins) {
    const uint64_t seq = facts.first_row.value + old.row, first = entities_.first_row();
    const auto need = [&](Row row) {
      if (row.value >= first) return;
      entities_.needs().push_back({row.value, old.pin.entity.value, std::nullopt, std::nullopt, std::nullopt, id, seq});
    };
    need(old.pin.entity);
    if (old.pin.version != old.pin.entity) need(old.pin.version);
  }
  if (!facts.sealed) {
    active_[index_of(id)] = Active{facts.number, facts.first_row.value, facts.leaves.size(), facts.file_size,
                                   job.end_max,  facts.offsets,         facts.end_offset};
  }
  if (id == TableId::kRegistry) {
    take_versions(facts);
    facts.versions = {};  // freed while other threads work
  }
  if (id == TableId::kMeta) {
    if (facts.statements_end.value < facts.first_row.value + facts.leaves.size()) {
      meta_gap_ = std::min(meta_gap_, facts.statements_end);
    }
    std::move(facts.statements.begin(), facts.statements.end(), std::back_inserter(statements_));
    facts.statements.clear();
  }
  if (id == TableId::kLogs) {
    KHIPU_TRY(take_logs(std::move(facts)));
  } else {
    trail(id).push(std::move(facts));
  }
  return true;
}

bool Full::go_on(Result<bool> taken) {
  if (taken.ok()) return *taken;
  failed_ = std::move(taken).error();
  return false;
}

SegmentContext Full::context_of(TableId id) {
  return {*plan_of(id).directory,
          run_.key,
          id == TableId::kLogs ? &entities_read_ : nullptr,
          id == TableId::kRegistry && !unreadable_[index_of(TableId::kMeta)] ? &types_ : nullptr,
          index::is_indexed(id) ? &index_plan_ : nullptr,
          &builders_,
          run_.control};
}

// Segments of three tables and runs of indexes as one row of jobs: no thread stands idle where one table ends and the
// next begins, and short jobs come last. What is read of logs/ meanwhile waits for registry/ where it needs it.
Result<void> Full::read_rows() {
  if (run_.control.stopped()) return {};
  using Outcome = std::variant<Result<SegmentFacts>, Result<Findings>>;
  struct Part {
    TableId id;
    const SegmentJob* job = nullptr;
    RunsTask runs;  // without it
  };
  std::vector<Part> parts;
  std::vector<SegmentContext> contexts;
  std::array<size_t, kTableCount> context{};
  size_t registry_end = 0;
  for (const TableId id : {TableId::kRegistry, TableId::kAccess, TableId::kLogs}) {
    if (plan_of(id).directory) {
      context[index_of(id)] = contexts.size();
      contexts.push_back(context_of(id));
      for (const SegmentJob& job : jobs_[index_of(id)]) parts.push_back({id, &job, {}});
    }
    if (id == TableId::kRegistry) registry_end = parts.size();
  }
  std::array<StatedIndexes, kTableCount> stated;
  for (const TableId id : index::kIndexedTables) {
    stated[index_of(id)] = stated_indexes(id, statements_);
    for (const RunsTask& runs : runs_to_check(plan_of(id), stated[index_of(id)])) parts.push_back({id, nullptr, runs});
  }
  const uint64_t stated_from = since_ == nullptr ? 0 : since_->tables[index_of(TableId::kMeta)].size;
  const auto registry_read = [&] {
    entities_read_.tell(unreadable_[index_of(TableId::kRegistry)] ? nullptr : &entities_);
  };
  if (registry_end == 0) registry_read();
  in_order<Outcome>(
      threads(), parts.size(),
      [&](size_t i) -> Outcome {
        const Part& part = parts[i];
        if (part.job != nullptr) return check_segment(contexts[context[index_of(part.id)]], *part.job);
        return check_runs(plan_of(part.id), stated[index_of(part.id)], part.runs, stated_from,
                          stated_from == 0 ? PlaceOf() : trusted_places(plan_of(part.id), statements_, stated_from));
      },
      [&](size_t i, Outcome outcome) {
        const Part& part = parts[i];
        if (part.job == nullptr) {
          runs_.emplace(std::pair(part.id, part.runs.number), std::move(std::get<Result<Findings>>(outcome)));
          return true;
        }
        const bool more = go_on(take(part.id, *part.job, std::move(std::get<Result<SegmentFacts>>(outcome))));
        if (more && i + 1 == registry_end) registry_read();
        if (!more) entities_read_.tell(nullptr);  // whoever waits has nothing to wait for
        return more;
      },
      &leftovers_);
  return std::move(failed_);
}

// Findings about rows of the active segments count only if those rows were committed.
void Full::settle_pending() {
  const auto committed = [&](TableId id) { return chain_->line() ? chain_->line()->tables[index_of(id)].size : 0; };
  for (Finding& finding : pending_) {
    if (finding.row->value < committed(*finding.table)) run_.findings.add(std::move(finding));
  }
  for (const auto& [row, wrong] : version_faults_) {
    if (row >= committed(TableId::kRegistry)) continue;
    Finding found;
    found.code = wrong == kValueMoved ? code::kFieldMoved : code::kReferenceMissing;
    found.table = TableId::kRegistry;
    found.row = Row{row};
    found.detail = wrong;
    found.file = table_name(TableId::kRegistry);
    found.likely = "rewriting";
    run_.findings.add(std::move(found));
  }
}

// Bytes above the line: written, never acknowledged (or still being written).
void Full::note_tails() {
  if (run_.head.writer_running) {
    run_.report.not_checked.push_back("what a running writer has added since HEAD was read: not judged");
    return;
  }
  for (const TableId id : kTables) {
    const std::optional<Active>& active = active_[index_of(id)];
    if (!active || !chain_->line() || trail(id).broken()) continue;
    const uint64_t size = chain_->line()->tables[index_of(id)].size;
    uint64_t end = active->end_offset;
    if (size < active->first_row) continue;
    if (const uint64_t index = size - active->first_row; index < active->offsets.size()) end = active->offsets[index];
    if (id == TableId::kLogs) {
      end = chain_->line_segment() == active->number ? chain_->line_offset() : segment::kHeaderSize;
    }
    if (active->file_size <= std::max<uint64_t>(end, segment::kHeaderSize)) continue;
    Finding found;
    found.code = code::kUnacknowledgedTail;
    found.information = true;
    found.table = id;
    found.segment = active->number;
    found.file = segment_path(id, active->number);
    found.offset = end;
    found.row = Row{size};
    found.detail = fmt::format("{} bytes above the last valid commit; the writer's next start sets them aside",
                               active->file_size - end);
    run_.findings.add(std::move(found));
  }
}

// In full also by an incremental run: what it held then must be what the state says.
Result<bool> Full::read_meta() {
  if (plan_of(TableId::kMeta).directory && !run_.control.stopped()) {
    const SegmentContext context = context_of(TableId::kMeta);
    const std::vector<SegmentJob>& jobs = jobs_[index_of(TableId::kMeta)];
    in_order<Result<SegmentFacts>>(
        threads(), jobs.size(), [&](size_t i) { return check_segment(context, jobs[i]); },
        [&](size_t i, Result<SegmentFacts> facts) { return go_on(take(TableId::kMeta, jobs[i], std::move(facts))); });
    KHIPU_TRY(std::move(failed_));
  }
  if (since_ != nullptr && !run_.control.stopped()) {
    const TablePosition& at = since_->tables[index_of(TableId::kMeta)];
    TableTrail::Attempt attempt = trail(TableId::kMeta).attempt({at.size, at.root});
    if (!attempt.fits()) return false;
    KHIPU_TRY(trail(TableId::kMeta).accept(std::move(attempt), {at.size, at.root}, since_->commit));
  }
  types_ = defined_types(statements_);
  index_plan_ = plan_indexes(statements_);
  want_table_heads(statements_, trails_);
  retained_.emplace(statements_, plans_, run_.findings);
  for (const TableId id : kTables) {
    for (SegmentJob& job : plan_of(id).jobs) job.let_go = retained_->covering(id, job.number) != nullptr;
    for (SegmentJob& job : jobs_[index_of(id)]) job.let_go = retained_->covering(id, job.number) != nullptr;
  }
  return true;
}

Result<bool> Full::go() {
  KHIPU_TRY_ASSIGN(const bool planned, plan());
  if (!planned) return false;
  KHIPU_TRY_ASSIGN(const bool goes_on, read_meta());
  if (!goes_on) return false;
  KHIPU_TRY(read_rows());
  if (run_.control.stopped()) {
    run_.incomplete = true;
    for (const TableId id : kTables) retained_->judge_missing(plan_of(id), statements_.size(), run_.findings);
    run_.report.not_checked.push_back(run_.control.cancelled() ? "the rest: cancelled" : "the rest: out of time");
  } else {
    KHIPU_TRY(finish_reading());
  }
  settle_pending();
  take_line();
  if (!run_.control.stopped()) KHIPU_TRY(hold_against_heads());
  return true;
}

Result<void> Full::finish_reading() {
  Report& report = run_.report;
  chain_->finish();
  for (const TableId id : kTables) {
    if (const Result<void> finished = trail(id).finish(); !finished.ok()) run_.unreadable(finished.error());
  }
  note_tails();
  const uint64_t committed = chain_->line() ? chain_->line()->tables[index_of(TableId::kMeta)].size : 0;
  check_statements(statements_, committed, run_.findings);
  for (const TableId id : kTables) retained_->judge_missing(plan_of(id), committed, run_.findings);
  if (const Result<void> hashes = retained_->check_hashes(plans_, committed, run_.findings); !hashes.ok()) {
    run_.unreadable(hashes.error());
  }
  if (statements_.size() > committed) {
    statements_.resize(committed);
    runs_.clear();  // of statements that do not count
  }
  if (chain_->line() && !trail(TableId::kMeta).broken() && meta_gap_.value >= committed) {
    check_spine(statements_, plans_, trails_, since_, run_.findings);
    IndexScope scope;
    scope.threads = threads();
    scope.built = builders_.take_built();
    scope.runs = std::move(runs_);
    if (since_ != nullptr) scope.stated_from = since_->tables[index_of(TableId::kMeta)].size;
    for (const TableId id : index::kIndexedTables) {
      if (since_ != nullptr) scope.anew = since_->tables[index_of(id)].segment;
      const Result<void> indexes = check_indexes(plan_of(id), statements_, scope, run_.findings, run_.control);
      if (!indexes.ok()) run_.unreadable(indexes.error());
      check_index_names(plan_of(id), statements_, run_.head.writer_running, run_.findings);
    }
    check_published(run_, published_, statements_, *chain_->line(),
                    [&](TableId id, uint64_t size) { return trail(id).root_at(size); });
  }
  report.checked.statements = statements_.size();
  const Result<uint64_t> quarantine = check_quarantine(run_.root, statements_, run_.findings);
  if (quarantine.ok()) {
    report.checked.quarantine_files = *quarantine;
  } else {
    run_.unreadable(quarantine.error());
  }
  const Result<uint64_t> keys = check_key_files(run_.root, statements_, committed, run_.findings);
  if (keys.ok()) {
    report.checked.key_files = *keys;
  } else {
    run_.unreadable(keys.error());
  }
  if (const Result<void> names = check_root_names(run_.root, run_.findings); !names.ok()) {
    run_.unreadable(names.error());
  }
  return {};
}

// What was kept outside, against the line; and what an incremental run looks at again.
Result<void> Full::hold_against_heads() {
  if (!chain_->line()) return {};
  const codec::CommitRecord& line = *chain_->line();
  for (const TableId id : kTables) {
    if (trail(id).broken()) continue;  // there is no telling what the rows before it are
    KHIPU_TRY(check_heads(run_, id, plan_of(id).directory.get(), line.tables[index_of(id)],
                          [&](uint64_t size) { return trail(id).root_at(size); }));
  }
  if (since_ != nullptr) {
    const bool by_row = meta_gap_.value >= since_->tables[index_of(TableId::kMeta)].size;
    const Again again{std::move(entities_.needs()), by_row ? &statements_ : nullptr};
    KHIPU_TRY(look_again(run_, *since_, plans_, line, again));
    run_.report.not_checked.emplace_back(
        "records read by an earlier run, but for those read again; whether new versions of entities registered before "
        "that follow the newest one; of the indexes of their segments more than their size");
  }
  run_.report.state = positions_.at_line(run_, plans_, trails_, line, chain_->line_hash(), chain_->line_offset());
  return {};
}

void Full::take_line() {
  Report& report = run_.report;
  if (chain_->line()) {
    report.commit = chain_->line()->number;
    report.commit_time = chain_->line()->time;
    report.commit_hash = chain_->line_hash();
    for (const TableId id : kTables) {
      report.sizes[index_of(id)] = chain_->line()->tables[index_of(id)].size;
      report.roots[index_of(id)] = chain_->line()->tables[index_of(id)].root;
      report.checked.records += report.sizes[index_of(id)];
      if (since_ != nullptr) report.checked.records -= since_->tables[index_of(id)].size;
    }
  } else if (!run_.incomplete) {
    Finding found;
    found.code = code::kCommitBroken;
    found.table = TableId::kLogs;
    found.row = Row{};
    found.file = segment_path(TableId::kLogs, SegmentNumber{0});
    found.segment = SegmentNumber{0};
    found.offset = segment::kHeaderSize;
    found.expected = "commit 1";
    found.detail = "no valid commit: nothing in this root was ever signed, or its beginning is gone";
    run_.findings.add(std::move(found));
  }
  report.checked.commits = chain_->commits();
  report.checked.signatures = chain_->signatures();
}

}  // namespace

Result<bool> read_all(Run& run, const State* since) { return Full(run, since).go(); }

}  // namespace khipu::verify
