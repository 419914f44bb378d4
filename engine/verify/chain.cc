#include "engine/verify/chain.h"

#include <fmt/format.h>

#include "engine/codec/frame.h"

namespace khipu::verify {

Chain::Chain(const HeadState& head, std::array<std::unique_ptr<TableTrail>, kTableCount>& trails,
             const Entities& entities, Findings& findings)
    : head_(head), trails_(trails), entities_(entities), findings_(findings) {}

void Chain::resume(const State& state) {
  codec::CommitRecord line;
  line.number = state.commit;
  line.time = state.commit_time;
  for (const TableId id : kTables) {
    line.tables[index_of(id)] = {state.tables[index_of(id)].size, state.tables[index_of(id)].root};
  }
  line_ = line;
  line_hash_ = state.commit_hash;
  line_segment_ = state.tables[index_of(TableId::kLogs)].segment;
  line_offset_ = state.tables[index_of(TableId::kLogs)].offset;
  resumed_ = state.commit;
  for (size_t i = 0; i < head_.slots.size(); ++i) {
    if (!head_.slots[i] || head_.slots[i]->commit > state.commit) continue;
    slot_seen_[i] = head_.slots[i]->commit < state.commit || head_.slots[i]->commit_hash == state.commit_hash;
  }
}

void Chain::let_go(SegmentNumber segment, CommitNumber commit, const Hash& hash) {
  line_.emplace();
  line_->number = commit;
  line_hash_ = hash;
  line_segment_ = segment;
  line_offset_ = segment::kHeaderSize;
  let_go_ = commit;
}

void Chain::expect(TableId table, SegmentNumber segment, uint64_t offset, const segment::Footer& footer) {
  // Sealed right behind the commit at which an incremental run begins: that one does not come by again.
  if (line_ && footer.commit == resumed_ && footer.commit_hash == line_hash_ &&
      line_->tables[index_of(table)] == codec::TableState{footer.first_row.value + footer.rows, footer.root}) {
    return;
  }
  expected_.emplace(footer.commit.value, Expected{table, segment, offset, footer});
}

Finding Chain::finding(std::string_view code, const CommitAt& commit, const SegmentFacts& facts,
                       std::string detail) const {
  Finding found;
  found.code = code;
  found.table = TableId::kLogs;
  found.segment = facts.number;
  found.file = segment_path(TableId::kLogs, facts.number);
  found.offset = commit.offset;
  found.row = Row{facts.first_row.value + commit.rows_before};
  found.commit = commit.record.number;
  found.detail = std::move(detail);
  if (found.row->value > 0) found.last_good = {Row{found.row->value - 1}, std::nullopt};
  return found;
}

// Below the newest thing that shows what was durable: a sealed segment or HEAD.
bool Chain::solid(const CommitAt& commit, const SegmentFacts& facts) const {
  if (facts.sealed) return true;
  if (!head_.newest || head_.newest->commit_segment != facts.number) return false;
  return commit.offset <= head_.newest->commit_offset;
}

// True: it may be walked to.
bool Chain::check_form(const CommitAt& commit, const SegmentFacts& facts, bool solid) {
  const uint64_t number = commit.record.number.value;
  const uint64_t expected = line_ ? line_->number.value + 1 : 1;
  ++signatures_;
  if (!commit.signature_ok || !commit.key_known) {
    if (!solid && commit.key_known) {
      ended_ = true;  // a torn frame of a commit that nobody was told of
      return false;
    }
    if (!std::exchange(sig_reported_, true)) {
      const bool known = commit.key_known;
      Finding found = finding(
          known ? code::kSigBad : code::kKeyUnknown, commit, facts,
          known ? "the commit's signature does not verify" : "the commit is signed by a key that no statement names");
      found.likely = "rewriting";
      findings_.add(std::move(found));
    }
    if (!solid) return false;
  }
  if (std::exchange(gap_, false) && number > expected) return true;
  if (number != expected) {
    if (number < expected) {
      findings_.add(
          finding(code::kCommitBroken, commit, facts,
                  fmt::format("a commit that does not come next: number {} behind {}", number, expected - 1)));
      return false;
    }
    Finding found = finding(code::kCommitBroken, commit, facts,
                            fmt::format("commits {} to {} are not there; commit {} shows that they were durable",
                                        expected, number - 1, number));
    found.expected = fmt::format("commit {}", expected);
    found.actual = fmt::format("commit {}", number);
    findings_.add(std::move(found));
    return true;  // the chain goes on from here
  }
  const Hash want = line_ ? line_hash_ : Hash{};
  if (amiss(commit.record.previous != want)) {
    if (!solid) {
      ended_ = true;
      return false;
    }
    Finding found = finding(code::kCommitBroken, commit, facts, "the commit does not name the one before it");
    found.expected = short_hash(want);
    found.actual = short_hash(commit.record.previous);
    findings_.add(std::move(found));
  }
  if (line_ && commit.record.time < line_->time) {
    Finding found =
        finding(code::kTimeBackwards, commit, facts, "the commit's time is before that of the one before it");
    found.expected = fmt::format("at least {}", line_->time);
    found.actual = std::to_string(commit.record.time);
    findings_.add(std::move(found));
  }
  return true;
}

Result<bool> Chain::check_tables(const CommitAt& commit, const SegmentFacts& facts, bool solid) {
  std::array<std::optional<TableTrail::Attempt>, kTableCount> attempts;
  for (const TableId id : kTables) {
    const codec::TableState& state = commit.record.tables[index_of(id)];
    if (line_ && line_->tables[index_of(id)] == state) continue;
    attempts[index_of(id)] = trails_[index_of(id)]->attempt(state);
    if (!solid && !attempts[index_of(id)]->fits()) return false;
  }
  const uint64_t rows_here = facts.first_row.value + commit.rows_before;
  const uint64_t signed_rows = commit.record.tables[index_of(TableId::kLogs)].size;
  if (signed_rows != rows_here && !trails_[index_of(TableId::kLogs)]->broken()) {
    if (!solid) return false;
    Finding found = finding(code::kRowGap, commit, facts, "the commit does not stand behind as many rows as it says");
    found.expected = fmt::format("{} rows", signed_rows);
    found.actual = fmt::format("{} rows", rows_here);
    found.row = Row{std::min(signed_rows, rows_here)};
    findings_.add(std::move(found));
  }
  const uint64_t registry_from = trails_[index_of(TableId::kRegistry)]->size();
  for (const TableId id : kTables) {
    if (!attempts[index_of(id)]) continue;
    KHIPU_TRY(trails_[index_of(id)]->accept(std::move(*attempts[index_of(id)]), commit.record.tables[index_of(id)],
                                            commit.record.number));
  }
  const uint64_t registry_rows = commit.record.tables[index_of(TableId::kRegistry)].size;
  if (commit.pins_end > registry_rows) {  // I7
    Finding found =
        finding(code::kReferenceMissing, commit, facts, "an event pins a row that its commit does not cover");
    found.row = Row{facts.first_row.value + commit.pins_end_row};
    if (commit.pins_end_row < facts.offsets.size()) found.offset = facts.offsets[commit.pins_end_row];
    found.expected = fmt::format("below registry row {}", registry_rows);
    found.actual = fmt::format("registry row {}", commit.pins_end - 1);
    findings_.add(std::move(found));
  }
  for (uint64_t row = registry_from; row < std::min(registry_rows, entities_.rows()); ++row) {
    const std::optional<Row> seq = entities_.seq(Row{row});
    if (!seq || seq->value < signed_rows) continue;
    Finding found;
    found.code = code::kReferenceMissing;
    found.table = TableId::kRegistry;
    found.row = Row{row};
    found.commit = commit.record.number;
    found.expected = fmt::format("below seq {}", signed_rows);
    found.actual = fmt::format("seq {}", seq->value);
    found.detail = "the version names an event that its commit does not cover";
    findings_.add(std::move(found));
  }
  return true;
}

Result<void> Chain::walk(const std::vector<CommitAt>& commits, const SegmentFacts& facts) {
  for (const CommitAt& commit : commits) {
    if (ended_) {
      see_tail({commit}, facts);
      continue;
    }
    const bool is_solid = solid(commit, facts);
    if (head_.writer_running && head_.newest && commit.record.number > head_.newest->commit) {
      ended_ = true;
      continue;
    }
    if (!check_form(commit, facts, is_solid)) continue;
    KHIPU_TRY_ASSIGN(const bool fits, check_tables(commit, facts, is_solid));
    if (!fits) {
      ended_ = true;
      continue;
    }
    ++commits_;
    line_ = commit.record;
    line_hash_ = commit.hash;
    line_segment_ = facts.number;
    line_offset_ = commit.offset + commit.frame_size;
    check_expected(commit, facts);
  }
  return {};
}

// A well-signed frame k proves that commits up to k-1 were durable; of k itself it proves nothing.
void Chain::see_tail(const std::vector<CommitAt>& commits, const SegmentFacts& facts) {
  if (head_.writer_running) return;
  ended_ = true;
  if (gap_) return;  // the commits in front of it could not be read
  const uint64_t line = line_ ? line_->number.value : 0;
  for (const CommitAt& commit : commits) {
    if (!commit.signature_ok || commit.record.number.value < line + 2) continue;
    Finding found = finding(code::kCommitBroken, commit, facts,
                            fmt::format("commit {} shows that commit {} was durable; it is damaged or gone",
                                        commit.record.number.value, line + 1));
    found.expected = fmt::format("commit {}", line + 1);
    found.offset = line_offset_;
    found.likely = "";
    findings_.add(std::move(found));
    return;
  }
}

void Chain::check_expected(const CommitAt& commit, const SegmentFacts& facts) {
  const auto [from, to] = expected_.equal_range(commit.record.number.value);
  for (auto it = from; it != to; ++it) {
    const Expected& expected = it->second;
    const codec::TableState& state = commit.record.tables[index_of(expected.table)];
    const bool here = expected.table != TableId::kLogs ||
                      (expected.segment == facts.number && expected.footer.commit_offset == commit.offset);
    const bool other = amiss(commit.hash != expected.footer.commit_hash);
    const bool elsewhere = amiss(!here);
    const bool root_differs = amiss(state.root != expected.footer.root);
    if (!other && !elsewhere && !root_differs) continue;  // its size follows from the rows, which check_footer() counts
    Finding found;
    found.code = code::kFooterMismatch;
    found.table = expected.table;
    found.segment = expected.segment;
    found.file = segment_path(expected.table, expected.segment);
    found.offset = expected.offset;
    found.row = expected.last_row();
    found.commit = commit.record.number;
    found.expected =
        fmt::format("size {} root {} commit {}", state.size, short_hash(state.root), short_hash(commit.hash));
    found.actual = fmt::format("size {} root {} commit {}", expected.footer.first_row.value + expected.footer.rows,
                               short_hash(expected.footer.root), short_hash(expected.footer.commit_hash));
    found.detail = "the footer's commit is not the one behind which the segment ends";
    found.likely = "rewriting";
    findings_.add(std::move(found));
  }
  expected_.erase(from, to);
  for (size_t i = 0; i < head_.slots.size(); ++i) {
    if (!head_.slots[i] || head_.slots[i]->commit != commit.record.number) continue;
    slot_seen_[i] = true;
    check_head_slot(*head_.slots[i], commit, facts, *head_.slots[i] == *head_.newest);
  }
}

void Chain::check_head_slot(const segment::Head& head, const CommitAt& commit, const SegmentFacts& facts, bool newest) {
  std::string wrong;
  const auto same = [&](bool holds, std::string_view what, const Place& where = KHIPU_HERE) {
    if (amiss(!holds, where) && wrong.empty()) wrong = what;
  };
  same(head.commit_hash == commit.hash, "the commit's hash");
  same(head.commit_time == commit.record.time, "the commit's time");
  same(head.commit_segment == facts.number && head.commit_offset == commit.offset, "where the commit's frame stands");
  same(head.commit_frame_size == commit.frame_size, "the size of the commit's frame");
  for (const TableId id : kTables) {
    const segment::HeadTable& table = head.tables[index_of(id)];
    same(table.size == commit.record.tables[index_of(id)].size, "the size of a table");
    same(table.root == commit.record.tables[index_of(id)].root, "the root of a table");
    same(table.tree_synced <= table.size, "tree_synced");
    same(table.segment_first_row.value <= table.size, "the first row of a segment");
    same(table.manifest_entries <= table.segment.value, "the number of manifest entries");
  }
  same(head.tables[index_of(TableId::kLogs)].end_offset >= commit.offset + commit.frame_size ||
           head.tables[index_of(TableId::kLogs)].segment > facts.number,
       "where logs/ ends");
  if (wrong.empty()) return;
  Finding found = finding(code::kHeadInconsistent, commit, facts,
                          fmt::format("{} slot of HEAD: {} is not what the signed commit says",
                                      newest ? "the newest" : "the older", wrong));
  found.rank = Rank::kHead;
  found.file = segment::kHeadName;
  found.segment.reset();
  found.offset = newest == (head_.slots[0] && *head_.slots[0] == *head_.newest) ? 0 : segment::kHeadSlotStride;
  findings_.add(std::move(found));
}

void Chain::finish() {
  if (unreadable_) return;
  for (const auto& [number, expected] : expected_) {
    if (line_ && number <= line_->number.value && trails_[index_of(TableId::kLogs)]->broken()) continue;
    if (number <= resumed_.value) continue;  // of meta, which is read whole each time: the run before has seen it
    if (number <= let_go_.value) {  // the commit went with its segment: the root it signed must still be walked to
      const TableTrail& trail = *trails_[index_of(expected.table)];
      const uint64_t end = expected.footer.first_row.value + expected.footer.rows;
      if (trail.broken() || trail.root_at(end) == expected.footer.root) continue;
    }
    Finding found;
    found.code = code::kFooterMismatch;
    found.table = expected.table;
    found.segment = expected.segment;
    found.file = segment_path(expected.table, expected.segment);
    found.offset = expected.offset;
    found.row = expected.last_row().next();
    found.rank = Rank::kHead;  // what befell the commit says it better, if anything does
    found.detail = fmt::format("the footer names commit {}, which is not there", number);
    findings_.add(std::move(found));
  }
  for (size_t i = 0; i < head_.slots.size(); ++i) {
    if (!head_.slots[i] || slot_seen_[i]) continue;
    Finding found;
    found.code = code::kHeadInconsistent;
    found.rank = Rank::kHead;
    found.file = segment::kHeadName;
    found.offset = i * segment::kHeadSlotStride;
    found.commit = head_.slots[i]->commit;
    found.expected = fmt::format("commit {}", head_.slots[i]->commit.value);
    found.actual = fmt::format("the log ends at commit {}", line_ ? line_->number.value : 0);
    found.detail = "HEAD names a commit that is not there: what it published was durable";
    findings_.add(std::move(found));
  }
}

}  // namespace khipu::verify
