// Everything, or what is new since a state: meta/, then registry/, access/ and logs/ with the commit chain through all.
#include "engine/verify/full.h"

#include <fmt/format.h>

#include <variant>

#include "engine/index/format.h"

namespace khipu::verify {

Result<bool> Full::plan() {
  bool logs_denied = false;
  for (const TableId id : kTables) {
    Result<TablePlan> plan = plan_table(run_.root, id, run_.head, run_.findings);
    if (!plan.ok()) {
      run_.unreadable(plan.error());
      deny(id, plan.error());
      logs_denied = logs_denied || id == TableId::kLogs;
      plans_[index_of(id)].id = id;
    } else {
      plans_[index_of(id)] = std::move(plan).value();
    }
    unreadable_[index_of(id)] = !plan_of(id).directory;
    trails_[index_of(id)] =
        std::make_unique<TableTrail>(id, plan_of(id).directory.get(), plan_of(id).tree_synced, run_.findings, spare_);
  }
  chain_.emplace(run_.head, trails_, entities_, run_.findings);
  if (logs_denied) chain_->skip_unreadable();
  for (const OutsideHead& head : run_.heads) trail(head.table).want(head.size);
  if (Result<Published> published = read_published(run_); published.ok()) {
    published_ = std::move(published).value();
  } else {
    run_.unreadable(published.error());
    published_denied_ = of_system(published.error());
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
  if (unreadable_[index_of(TableId::kRegistry)]) return;  // which rows these are of is not known
  entities_.reserve(facts.versions.size());
  constexpr size_t kAhead = 8;
  for (size_t i = 0; i < facts.versions.size(); ++i) {
    if (i + kAhead < facts.versions.size()) entities_.prefetch(facts.versions[i + kAhead]);
    const VersionFacts& version = facts.versions[i];
    const uint64_t row = entities_.rows();
    const char* wrong = entities_.append(version);
    if (wrong != nullptr && version_faults_.size() < kFindingsMax) version_faults_.emplace_back(row, wrong);
  }
}

Result<void> Full::take_logs(SegmentFacts facts) {
  const std::vector<CommitAt> commits = std::move(facts.commits);
  const std::vector<CommitAt> tail = std::move(facts.tail_commits);
  const SegmentFacts& rest = trail(TableId::kLogs).push(std::move(facts));
  KHIPU_TRY(chain_->walk(commits, rest));
  if (!tail.empty()) chain_->see_tail(tail, rest);
  return {};
}

// Rows of it that no earlier run has read.
uint64_t Full::new_rows(TableId id, const SegmentJob& job) const {
  const uint64_t first = job.first_row.value_or(Row{}).value;
  const uint64_t end = first + job.rows();
  const uint64_t from = std::max(first, since_ == nullptr ? 0 : since_->tables[index_of(id)].size);
  return end > from ? end - from : 0;
}

// False: stop.
Result<bool> Full::take(TableId id, const SegmentJob& job, Result<SegmentFacts> result) {
  result = judge_gone(plan_of(id), job, std::move(result));
  if (!result.ok()) {
    run_.unreadable(result.error());
    unreadable_[index_of(id)] = true;
    deny(id, result.error());
    if (id == TableId::kMeta) meta_gap_ = std::min(meta_gap_, job.first_row.value_or(Row{}));
    if (id == TableId::kLogs) chain_->skip_unreadable();
    unread_ += new_rows(id, job);
    trail(id).push_unreadable(job.first_row.value_or(Row{}), job.rows());
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
  if (!facts.there && facts.let_go) run_.report.checked.not_retained += new_rows(id, job);
  run_.report.checked.references += facts.references;
  positions_.see(id, facts, job);
  if (entities_.needs().empty()) entities_.needs().reserve(2 * facts.old_pins.size());
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
          &spare_,
          run_.control};
}

// Segments of three tables and runs of indexes as one row of jobs: no thread stands idle where one table ends and the
// next begins, and short jobs come last, such as old rows that are read again. What is read of logs/ meanwhile waits
// for registry/ where it needs it.
Result<void> Full::read_rows() {
  if (run_.control.stopped()) return {};
  using Outcome = std::variant<Result<SegmentFacts>, Result<Findings>, Result<Reread>>;
  struct Part {
    TableId id;
    const SegmentJob* job = nullptr;
    RunsTask runs;       // without it
    bool again = false;  // neither: old rows
  };
  std::vector<Part> parts;
  std::vector<SegmentContext> contexts;
  std::array<size_t, kTableCount> context{};
  size_t registry_end = 0;
  for (const TableId id : {TableId::kRegistry, TableId::kAccess, TableId::kLogs}) {
    if (plan_of(id).directory) {
      context[index_of(id)] = contexts.size();
      contexts.push_back(context_of(id));
      for (const SegmentJob& job : jobs_[index_of(id)]) parts.push_back({id, &job, {}, false});
    }
    if (id == TableId::kRegistry) registry_end = parts.size();
  }
  std::array<StatedIndexes, kTableCount> stated;
  for (const TableId id : index::kIndexedTables) {
    stated[index_of(id)] = stated_indexes(id, statements_);
    for (const RunsTask& runs : runs_to_check(plan_of(id), stated[index_of(id)])) {
      parts.push_back({id, nullptr, runs, false});
    }
  }
  if (since_ != nullptr) parts.push_back({TableId::kLogs, nullptr, {}, true});
  const uint64_t stated_from = since_ == nullptr ? 0 : since_->tables[index_of(TableId::kMeta)].size;
  const auto registry_read = [&] {
    entities_read_.tell(unreadable_[index_of(TableId::kRegistry)] ? nullptr : &entities_);
  };
  if (registry_end == 0) registry_read();
  in_order<Outcome>(
      run_.crew, parts.size(),
      [&](size_t i) -> Outcome {
        const Part& part = parts[i];
        if (part.job != nullptr) return check_segment(contexts[context[index_of(part.id)]], *part.job);
        if (part.again) return reread(run_, *since_, plans_, places_);
        return check_runs(plan_of(part.id), stated[index_of(part.id)], part.runs, stated_from,
                          places_[index_of(part.id)]);
      },
      [&](size_t i, Outcome outcome) {
        const Part& part = parts[i];
        if (part.again) {
          reread_.emplace(std::move(std::get<Result<Reread>>(outcome)));
          return true;
        }
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

// In full also by an incremental run: what it held then must be what the state says.
Result<bool> Full::read_meta() {
  if (plan_of(TableId::kMeta).directory && !run_.control.stopped()) {
    const SegmentContext context = context_of(TableId::kMeta);
    const std::vector<SegmentJob>& jobs = jobs_[index_of(TableId::kMeta)];
    in_order<Result<SegmentFacts>>(
        run_.crew, jobs.size(), [&](size_t i) { return check_segment(context, jobs[i]); },
        [&](size_t i, Result<SegmentFacts> facts) { return go_on(take(TableId::kMeta, jobs[i], std::move(facts))); });
    KHIPU_TRY(std::move(failed_));
  }
  if (since_ != nullptr && !run_.control.stopped()) {
    const TablePosition& at = since_->tables[index_of(TableId::kMeta)];
    TableTrail::Attempt attempt = trail(TableId::kMeta).attempt({at.size, at.root});
    if (!attempt.fits()) return false;
    KHIPU_TRY(trail(TableId::kMeta).accept(std::move(attempt), {at.size, at.root}, since_->commit));
  }
  // Statements are asked by their rows.
  if (since_ != nullptr && meta_gap_.value >= since_->tables[index_of(TableId::kMeta)].size) {
    const uint64_t stated = since_->tables[index_of(TableId::kMeta)].size;
    for (const TableId id : index::kIndexedTables) {
      places_[index_of(id)] = trusted_places(plan_of(id), statements_, stated);
    }
  }
  types_ = defined_types(statements_);
  index_plan_ = plan_indexes(statements_);
  want_table_heads(statements_, trails_);
  if (meta_denied_) {
    retained_.emplace(plans_);
    run_.report.not_checked.emplace_back(
        "what only statements in meta/ account for: oldest segments that are not there, quarantine/, keys/");
  } else {
    retained_.emplace(statements_, plans_, run_.findings);
  }
  for (const TableId id : kTables) {
    for (SegmentJob& job : plan_of(id).jobs) job.let_go = retained_->let_go(id, job.number);
    for (SegmentJob& job : jobs_[index_of(id)]) job.let_go = retained_->let_go(id, job.number);
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
  if (run_.control.stopped()) return true;
  check_places_of_head();
  if (const Result<void> held = hold_against_heads(); !held.ok()) run_.unreadable(held.error());
  return true;
}

Result<bool> read_all(Run& run, const State* since) { return Full(run, since).go(); }

}  // namespace khipu::verify
