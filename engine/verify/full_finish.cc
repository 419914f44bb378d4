// What is judged when all was read: tails, statements, indexes, what was published, what was kept outside.
#include <fmt/format.h>

#include "engine/verify/full.h"

namespace khipu::verify {

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

// HEAD is behind the line, and still is: what is above it was written, and readers do not see it.
Result<void> Full::note_head() {
  if (run_.head.writer_running || !run_.head.newest || !chain_->line()) return {};
  if (chain_->line()->number <= run_.head.newest->commit) return {};
  KHIPU_TRY_ASSIGN(const auto slots, segment::read_head(run_.root));
  const std::optional<segment::Head> now = segment::newest(slots);
  if (!now || now->commit >= chain_->line()->number) return {};
  Finding found;
  found.code = code::kHeadInconsistent;
  found.information = true;
  found.rank = Rank::kHead;
  found.file = segment::kHeadName;
  found.commit = chain_->line()->number;
  found.expected = fmt::format("commit {}", chain_->line()->number.value);
  found.actual = fmt::format("commit {}", now->commit.value);
  found.detail = fmt::format(
      "HEAD is older than the log: until the writer's next start, which mends it, readers see it up to commit {} only",
      now->commit.value);
  run_.findings.add(std::move(found));
  return {};
}

Result<void> Full::finish_reading() {
  Report& report = run_.report;
  chain_->finish();
  for (const TableId id : kTables) {
    if (const Result<void> finished = trail(id).finish(); !finished.ok()) run_.unreadable(finished.error());
  }
  const bool known = line_known();
  if (known) note_tails();
  if (const Result<void> head = known ? note_head() : Result<void>(); !head.ok()) run_.unreadable(head.error());
  const uint64_t committed = chain_->line() ? chain_->line()->tables[index_of(TableId::kMeta)].size : 0;
  if (!meta_denied_) check_statements(statements_, committed, run_.findings);
  for (const TableId id : kTables) {
    retained_->judge_missing(plan_of(id), known ? committed : statements_.size(), run_.findings);
  }
  if (const Result<void> hashes = retained_->check_hashes(plans_, committed, run_.findings); !hashes.ok()) {
    run_.unreadable(hashes.error());
  }
  if (statements_.size() > committed) {
    statements_.resize(committed);
    runs_.clear();  // of statements that do not count
  }
  if (known && chain_->line() && !trail(TableId::kMeta).broken() && meta_gap_.value >= committed) {
    check_spine(statements_, plans_, trails_, since_, run_.findings);
    IndexScope scope{run_.crew};
    scope.built = builders_.take_built();
    scope.runs = std::move(runs_);
    if (since_ != nullptr) scope.stated_from = since_->tables[index_of(TableId::kMeta)].size;
    for (const TableId id : index::kIndexedTables) {
      if (since_ != nullptr) scope.anew = since_->tables[index_of(id)].segment;
      const Result<void> indexes = check_indexes(plan_of(id), statements_, scope, run_.findings, run_.control);
      if (!indexes.ok()) run_.unreadable(indexes.error());
      check_index_names(plan_of(id), statements_, run_.head.writer_running, run_.findings);
    }
    if (!published_denied_) {
      check_published(run_, published_, statements_, *chain_->line(),
                      [&](TableId id, uint64_t size) { return trail(id).root_at(size); });
    }
  }
  report.checked.statements = statements_.size();
  if (known && !meta_denied_) check_accounted(run_, statements_, committed);
  if (const Result<void> names = check_root_names(run_.root, run_.findings); !names.ok()) {
    run_.unreadable(names.error());
  }
  return {};
}

// What was kept outside, against the line; and what an incremental run looks at again.
Result<void> Full::hold_against_heads() {
  if (!chain_->line() || !line_known()) return {};
  const codec::CommitRecord& line = *chain_->line();
  for (const TableId id : kTables) {
    if (trail(id).broken()) continue;  // there is no telling what the rows before it are
    KHIPU_TRY(check_heads(run_, id, plan_of(id).directory.get(), line.tables[index_of(id)],
                          [&](uint64_t size) { return trail(id).root_at(size); }));
  }
  if (since_ != nullptr) {
    KHIPU_ASSERT(reread_.has_value());
    KHIPU_TRY_ASSIGN(Reread again, *std::move(reread_));
    run_.findings.merge(std::move(again.findings));
    run_.report.checked.reread += again.rows;
    KHIPU_TRY(look_up_all(run_, plan_of(TableId::kRegistry), entities_.needs(), places_[index_of(TableId::kRegistry)]));
    run_.report.not_checked.emplace_back(
        "records read by an earlier run, but for those read again; whether new versions of entities registered before "
        "that follow the newest one; of the indexes of their segments more than their size");
  }
  run_.report.state = positions_.at_line(run_, plans_, trails_, line, chain_->line_hash(), chain_->line_offset());
  return {};
}

// Readers take from the newest slot of HEAD where the rows of each table stand: what the manifest and the active
// segments say of it is the same, or no reader gets in.
void Full::check_places_of_head() {
  const std::optional<segment::Head>& head = run_.head.newest;
  if (!head || !chain_->line() || head->commit != chain_->line()->number) return;
  for (const TableId id : kTables) {
    const segment::HeadTable& table = head->tables[index_of(id)];
    const std::vector<segment::ManifestEntry>& manifest = plan_of(id).manifest;
    if (trail(id).broken() || table.manifest_entries > manifest.size()) continue;
    const char* wrong = nullptr;
    uint64_t sealed = 0;
    if (table.manifest_entries > 0) {
      const segment::Footer& last = manifest[table.manifest_entries - 1].footer;
      sealed = last.first_row.value + last.rows;
    }
    if (amiss(table.segment_first_row.value != sealed)) wrong = "where the active segment begins";
    const std::optional<Active>& active = active_[index_of(id)];
    if (wrong == nullptr && active && active->number == table.segment && table.size > active->first_row &&
        table.size - active->first_row <= active->offsets.size()) {
      const uint64_t last = active->offsets[table.size - active->first_row - 1];
      const bool inside = last == kNoOffset || (table.end_offset > last && table.end_offset <= active->file_size);
      if (amiss(!inside)) wrong = "where the rows end";
    }
    if (wrong == nullptr) continue;
    Finding found;
    found.code = code::kHeadInconsistent;
    found.rank = Rank::kHead;
    found.table = id;
    found.file = segment::kHeadName;
    found.commit = head->commit;
    found.detail = fmt::format("the newest slot of HEAD: {} is not what {}/ says: no reader can open the log", wrong,
                               table_name(id));
    run_.findings.add(std::move(found));
  }
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
    report.checked.records -= std::min(report.checked.records, unread_ + report.checked.not_retained);
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

}  // namespace khipu::verify
