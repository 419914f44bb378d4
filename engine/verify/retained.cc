#include "engine/verify/retained.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "engine/crypto/hash.h"
#include "engine/verify/signed_tree.h"

namespace khipu::verify {
namespace {

Finding statement_finding(std::string_view code, uint64_t meta_row, std::string detail) {
  Finding found;
  found.code = code;
  found.table = TableId::kMeta;
  found.row = Row{meta_row};
  found.file = table_name(TableId::kMeta);
  found.detail = std::move(detail);
  return found;
}

// "" when the statement may stand.
std::string what_is_wrong(const codec::Retention& statement, const TablePlan& plan, const codec::Retention* before) {
  const bool row_follows = statement.from == (before == nullptr ? Row{} : before->to);
  const bool segment_follows =
      statement.first_segment == (before == nullptr ? SegmentNumber{} : before->last_segment.next());
  if (amiss(!row_follows)) return "it does not begin where the RETENTION before it ended";
  if (amiss(!segment_follows)) return "it does not begin behind the last segment of the RETENTION before it";
  if (statement.to <= statement.from || statement.last_segment < statement.first_segment) {
    return amiss(true) ? "it covers nothing" : "";
  }
  if (!plan.directory) return {};  // its manifest was not read
  if (statement.last_segment.value >= plan.manifest.size()) return amiss(true) ? "its segments were never sealed" : "";
  const segment::Footer& first = plan.manifest[statement.first_segment.value].footer;
  const segment::Footer& last = plan.manifest[statement.last_segment.value].footer;
  if (amiss(first.first_row != statement.from)) return "its rows are not those of its segments";
  if (amiss(last.first_row.value + last.rows != statement.to.value)) return "its rows are not those of its segments";
  if (amiss(last.commit != statement.commit) || amiss(last.commit_hash != statement.commit_hash)) {
    return "its commit is not the one behind which its last segment was sealed";
  }
  const bool times = first.recorded_first == statement.recorded_first;
  if (amiss(!times) || amiss(last.recorded_last != statement.recorded_last)) {
    return "its times are not those of its segments";
  }
  return {};
}

}  // namespace

Retained::Retained(const std::vector<codec::StatementRecord>& statements,
                   const std::array<TablePlan, kTableCount>& plans, Findings& findings) {
  std::set<std::string> holds;
  for (size_t row = 0; row < statements.size(); ++row) {
    if (const auto* hold = std::get_if<codec::Hold>(&statements[row].body)) {
      if (hold->set) {
        holds.insert(hold->name);
      } else {
        holds.erase(hold->name);
      }
    }
    const auto* statement = std::get_if<codec::Retention>(&statements[row].body);
    if (statement == nullptr) continue;
    const codec::Retention* before = nullptr;
    for (const LetGo& other : accepted_) {
      if (other.statement.table == statement->table) before = &other.statement;
    }
    std::string wrong;
    if (amiss(statement->table != TableId::kLogs && statement->table != TableId::kAccess)) {
      wrong = "it is of a table that is never let go";
    } else if (amiss(statement->table == TableId::kLogs && !holds.empty())) {
      wrong = "a HOLD was set when it was made";
    } else {
      wrong = what_is_wrong(*statement, plans[index_of(statement->table)], before);
    }
    if (wrong.empty()) {
      accepted_.push_back({row, *statement});
    } else {
      findings.add(statement_finding(code::kRetentionUnauthorised, row, "a RETENTION that may not stand: " + wrong));
    }
  }
}

Retained::Retained(const std::array<TablePlan, kTableCount>& plans) : unknown_(true) {
  for (const TablePlan& plan : plans) {
    uint64_t& next = oldest_gone_[index_of(plan.id)];
    if (plan.id != TableId::kLogs && plan.id != TableId::kAccess) continue;
    for (const Finding& gone : plan.missing) {
      if (gone.segment->value == next) ++next;
    }
  }
}

bool Retained::let_go(TableId table, SegmentNumber segment) const {
  return unknown_ ? segment.value < oldest_gone_[index_of(table)] : covering(table, segment) != nullptr;
}

const LetGo* Retained::covering(TableId table, SegmentNumber segment) const {
  for (const LetGo& item : accepted_) {
    if (item.statement.table == table && item.statement.first_segment <= segment &&
        segment <= item.statement.last_segment) {
      return &item;
    }
  }
  return nullptr;
}

void Retained::judge_missing(const TablePlan& plan, uint64_t committed, Findings& findings) const {
  std::set<uint64_t> told;
  bool oldest = true;  // everything in front of it is gone too
  uint64_t next = 0;
  for (Finding finding : plan.missing) {
    const SegmentNumber number = *finding.segment;
    oldest = oldest && number.value == next;
    next = number.value + 1;
    if (unknown_ && let_go(plan.id, number)) continue;
    const LetGo* item = covering(plan.id, number);
    if (item == nullptr) {
      if (oldest && plan.id != TableId::kMeta && plan.id != TableId::kRegistry && finding.expected != "0 rows") {
        finding.code = code::kDeletionUnexplained;
        finding.detail = "the oldest rows are gone, and no RETENTION statement says why";
      }
      findings.add(std::move(finding));
      continue;
    }
    if (item->meta_row >= committed) {
      finding.code = code::kRetentionUnauthorised;
      finding.detail = "the RETENTION that covers this segment is not part of what was signed";
      findings.add(std::move(finding));
    } else if (told.insert(item->meta_row).second) {
      Finding gone;
      gone.code = code::kDeletedByPolicy;
      gone.information = true;
      gone.table = plan.id;
      gone.row = item->statement.from;
      gone.row_end = item->statement.to;
      gone.segment = item->statement.first_segment;
      gone.file = table_name(plan.id);
      gone.detail =
          fmt::format("let go by the RETENTION statement in meta row {}; checked by hash alone", item->meta_row);
      findings.add(std::move(gone));
    }
  }
}

Result<void> Retained::check_hashes(const std::array<TablePlan, kTableCount>& plans, uint64_t committed,
                                    Findings& findings) const {
  for (const LetGo& item : accepted_) {
    const codec::Retention& statement = item.statement;
    const TablePlan& plan = plans[index_of(statement.table)];
    if (item.meta_row >= committed || !plan.directory) continue;
    crypto::Sha256 hasher;
    uint64_t at = statement.from.value * sizeof(Hash);
    const uint64_t end = statement.to.value * sizeof(Hash);
    auto file = open_level(*plan.directory, 0);
    if (!file.ok() && file.error().code != Code::kNotFound) return std::move(file).error();
    Buffer block(1 << 18);
    while (file.ok() && at < end) {
      KHIPU_TRY_ASSIGN(const size_t got,
                       file.value()->read_at(at, std::span(block).first(std::min<uint64_t>(block.size(), end - at))));
      if (got == 0) break;
      hasher.update(Bytes(block).first(got));
      at += got;
    }
    if (at == end && !amiss(hasher.finish() != statement.tree_sha256)) continue;
    Finding found;
    found.code = code::kTileMismatch;
    found.table = statement.table;
    found.row = statement.from;
    found.row_end = statement.to;
    found.segment = statement.first_segment;
    found.file = std::string(table_name(statement.table)) + "/tree/0";
    found.offset = statement.from.value * sizeof(Hash);
    found.detail =
        fmt::format("the hashes of rows let go are not those the RETENTION in meta row {} names", item.meta_row);
    findings.add(std::move(found));
  }
  return {};
}

}  // namespace khipu::verify
